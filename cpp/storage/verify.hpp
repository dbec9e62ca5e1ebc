// Reading everything again, byte by byte, to say whether it is what was written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/block_store.hpp"
#include "storage/directory.hpp"
#include "storage/disk.hpp"

namespace paxledger::storage {

struct Problem {
  std::string file;
  std::uint64_t offset = 0;
  Height height;  // 0 where a problem is not about a block
  std::string text;
};

struct VerifyReport {
  std::uint64_t files = 0;
  std::uint64_t blocks = 0;  // found intact
  std::uint64_t bytes = 0;
  Height height;                   // of the last intact block
  Digest hash;                     // and its hash; genesis if there is none
  std::vector<Problem> problems;   // at most kProblemsMax; the text of the last one says "more"
  std::vector<std::string> notes;  // harmless, e.g. a torn tail
  // The hashes of the intact blocks in height order, to compare the histories of several
  // directories. Filled by verify_directory only: 32 octets for each block.
  std::vector<Digest> hashes;
  [[nodiscard]] bool intact() const { return problems.empty(); }
};
inline constexpr std::size_t kProblemsMax = 1000;

// Checks the block files up to `extent`: file headers, frames, blocks, links, timestamps. May run
// on another thread while the store appends. Reads only. Errors: io of the system; damage is no
// error but a problem in the report.
[[nodiscard]] Result<VerifyReport> verify_blocks(Disk& disk, const BlockPlace& place,
                                                 const BlockStore::Extent& extent,
                                                 const Progress& progress);

// The same for the data directory of a node that is not running, including its identity and log.
// Takes the directory's lock meanwhile. Errors: configuration (no such directory, in use by a
// process, newer format), io. A damaged identity is a problem in the report.
[[nodiscard]] Result<VerifyReport> verify_directory(Disk& disk, const std::string& root,
                                                    const Progress& progress);

}  // namespace paxledger::storage
