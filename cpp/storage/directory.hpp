// The data directory of one node: whose it is, and that one process uses it.
//
//   <dir>/identity     whose directory this is (below)
//   <dir>/lock         flock(2) of the running process; holds its pid
//   <dir>/log/         the write-ahead log (storage/log_format.hpp)
//   <dir>/blocks/      the chain (storage/block_file.hpp)
//   <dir>/set-aside/   damaged or diverged files; never read again, never deleted
//
//   identity := "paxledger-data-directory 1" LF      format version
//               "cluster-id " hex[16] LF
//               "cluster-name " octets LF            control characters and '\' as \xNN
//               "node " decimal LF
//               "state " ( "initialising" | "rejoining" | "ready" ) LF
//               "crc32c " hex[8] LF                  over all octets of the lines before
//
// Beside the directory may stand <dir>.unbegun: whoever founded the cluster wrote it to say that
// this node has never begun, so that it can be told from one that lost its disk. It is removed,
// durably, before the first identity is written, and never written by a node.
//
// The file is replaced as a whole: written as identity.new, synced, renamed, directory synced.
// The state says whether the first log segment is known to exist. A directory that is found
// `initialising` or `rejoining` never ran, so that beginning is repeated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/disk.hpp"
#include "storage/notice.hpp"

namespace paxledger::storage {

inline constexpr int kDirectoryFormatVersion = 1;

enum class OpenMode : std::uint8_t {
  open_existing,  // the directory must be this node's; an empty or missing one is refused
  initialise,     // a new node of a new cluster; anything but an empty or missing one is refused
  rejoin,         // this node lost its disk, or its identity file: begin anew as a node that
                  // abstains. An intact directory of this node is opened as it is.
};

// Where the parts of a data directory are.
struct DirectoryPaths {
  std::string root;
  [[nodiscard]] std::string identity() const { return root + "/identity"; }
  [[nodiscard]] std::string lock() const { return root + "/lock"; }
  [[nodiscard]] std::string log() const { return root + "/log"; }
  [[nodiscard]] std::string blocks() const { return root + "/blocks"; }
  [[nodiscard]] std::string set_aside() const { return root + "/set-aside"; }
  [[nodiscard]] std::string unbegun() const { return root + ".unbegun"; }
};

struct Identity {
  enum class State : std::uint8_t { initialising, rejoining, ready };
  ClusterId cluster;
  std::string cluster_name;
  NodeId node;
  State state = State::ready;
  bool operator==(const Identity&) const = default;
};

[[nodiscard]] std::string encode_identity(const Identity& identity);
// Errors: damaged; configuration for a newer format. The message does not name the file.
[[nodiscard]] Result<Identity> decode_identity(std::string_view octets);

// Invariants:
//  1. While a DataDirectory lives, this process holds the lock, and the identity on disk is
//     identity().
//  2. Where there is an identity on disk, there is no <dir>.unbegun.
class DataDirectory {
 public:
  // `wanted.state` is ignored. Errors: configuration (empty, not empty, of another cluster or
  // node, newer format, in use by another process), damaged (identity), io.
  static Result<DataDirectory> open(Disk& disk, const std::string& root, const Identity& wanted,
                                    OpenMode mode);

  // Takes the lock and reads the identity, whatever it says; changes nothing else. For inspection
  // of a directory that no node uses. Errors: damaged, configuration (no such directory, no
  // identity, newer format), io.
  static Result<DataDirectory> inspect(Disk& disk, const std::string& root);

  [[nodiscard]] const DirectoryPaths& paths() const { return paths_; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] const std::vector<Notice>& notices() const { return notices_; }

  // The first log segment exists, durably: state becomes `ready`.
  Result<void> mark_ready(Disk& disk);

 private:
  DataDirectory() = default;
  Result<void> adopt(Disk& disk, const Identity& wanted, OpenMode mode);
  Result<void> adopt_without_identity(Disk& disk, const Identity& wanted, OpenMode mode);
  Result<void> set_aside_identity(Disk& disk, const Identity& wanted);
  Result<void> begin(Disk& disk, const Identity& wanted, Identity::State state);
  Result<void> is_begun(Disk& disk);

  DirectoryPaths paths_;
  Identity identity_;
  std::unique_ptr<FileLock> lock_;
  std::vector<Notice> notices_;
};

// `set_aside/name.N` with the smallest free N.
Result<std::string> path_aside(Disk& disk, const std::string& name, const std::string& set_aside);

// Moves `directory/name` there, and syncs neither directory. Gives the new path.
Result<std::string> move_aside(Disk& disk, const std::string& directory, const std::string& name,
                               const std::string& set_aside);

}  // namespace paxledger::storage
