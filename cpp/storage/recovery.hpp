// From a data directory to everything that a node needs to go on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/block_store.hpp"
#include "storage/directory.hpp"
#include "storage/disk.hpp"
#include "storage/log.hpp"
#include "storage/notice.hpp"
#include "wire/log_record.hpp"

namespace paxledger::storage {

struct StorageOptions {
  std::string directory;
  std::string cluster_name;
  ClusterId cluster;  // of that name
  NodeId node;
  OpenMode mode = OpenMode::open_existing;
  LogOptions log;
  BlockStoreOptions blocks;
};

// What was found; log and block store are ready to be written to. The fields after them are those
// of engine::Recovered.
struct RecoveredStorage {
  DataDirectory directory;  // holds the lock: keep it as long as the log and the blocks
  std::unique_ptr<Log> log;
  std::unique_ptr<BlockStore> blocks;

  // Acceptances at slots up to the height of the blocks are left out: they are decided.
  paxos::DurableState durable;
  Slot log_complete_above;
  // Nonempty: log or blocks were damaged; file, offset, height. Damaged files were set aside.
  std::string damage;
  // Blocks up to this height were known to this node before. 0 if nothing is missing.
  Height repair_through;
  // The log was lost or damaged, and a new one was begun whose first record abstains
  // (AbstainRecord, open). Also true for a node that rejoins.
  bool log_lost = false;
  std::vector<Notice> notices;
};

// Opens (or begins, by options.mode) the directory, replays the log and hands every block to
// `consume` in height order. If `consume` refuses a block, the chain is damaged there. Errors: as
// DataDirectory::open, Log::open and BlockStore::open; damage of log or blocks is no error.
[[nodiscard]] Result<RecoveredStorage> recover_storage(Disk& disk, const StorageOptions& options,
                                                       const BlockConsumer& consume,
                                                       const Progress& progress);

}  // namespace paxledger::storage
