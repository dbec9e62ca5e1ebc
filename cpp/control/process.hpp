// Processes of nodes: starting them, recognising them, signalling them.
//
// A node's process is found again by its pid file, so that another process of the same user can
// stop what this one started. A pid is only trusted if /proc says that it runs paxledgerd for that
// node of that configuration file: after a reboot the number may belong to anybody. A node that was
// started otherwise, or whose pid file is lost, is found by the lock of its data directory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace paxledger::control {

// A log file larger than this is renamed before a node is started.
inline constexpr std::uintmax_t kLogBytesMax = std::uintmax_t{64} << 20;

enum class ProcessState { stopped, running, paused };
[[nodiscard]] std::string_view to_string(ProcessState state);

// How a process ended.
struct Ending {
  bool signalled = false;
  int number = 0;  // the exit code, or the signal

  // E.g. "exit code 3" or "signal 9 (Killed)".
  [[nodiscard]] std::string text() const;
};

struct DaemonArguments {
  std::filesystem::path daemon;         // the paxledgerd to run
  std::filesystem::path configuration;  // absolute
  NodeId node;
  std::vector<std::string> flags;  // e.g. --initialise

  [[nodiscard]] std::vector<std::string> command_line() const;
};

// Makes ready the log of a process that is about to be started: renames one that grew too large to
// NAME.1. Returns how long the log is, which is where the process will begin to write.
std::uintmax_t begin_log(const std::filesystem::path& log);

// Starts a daemon in a session of its own, its standard output and error appended to `log`, its
// standard input /dev/null. Returns its pid. Errors: io.
[[nodiscard]] Result<pid_t> spawn(const DaemonArguments& arguments,
                                  const std::filesystem::path& log);

// Whether the arguments of a process (as in /proc/PID/cmdline, NUL after each) are those of
// paxledgerd for this node and configuration file.
[[nodiscard]] bool is_daemon_command_line(std::string_view cmdline, NodeId node,
                                          const std::filesystem::path& configuration);

// The state of process `pid` if it is the daemon of that node, else `stopped`. A zombie is
// stopped.
[[nodiscard]] ProcessState inspect(pid_t pid, NodeId node,
                                   const std::filesystem::path& configuration);

// The state of process `pid`, whatever it runs. A zombie is stopped.
[[nodiscard]] ProcessState state_of(pid_t pid);

// Whether process `pid` is a paxledgerd that ends whatever is done to it: it was killed, or gives
// back what it has. It may still have its command line, or its files and locks without one.
[[nodiscard]] bool is_dying(pid_t pid);

// When process `pid` began, in clock ticks since the machine did; 0 if there is none. With it, a
// pid names one process for ever, though the number is given again.
[[nodiscard]] std::uint64_t birth_of(pid_t pid);

// Remembers in `file` that this process was told to end, for whoever wants to start its successor,
// be it another program. Nobody depends on it but they, so that a failure is not told.
void mark_ending(const std::filesystem::path& file, pid_t pid);
// Whether `file` says so of process `pid`, and of no other that had the number before.
[[nodiscard]] bool is_ending(const std::filesystem::path& file, pid_t pid);

// The paxledgerd that holds the lock file of a data directory open. The lock itself is not touched:
// trying it would keep a node that starts at this moment from getting it.
[[nodiscard]] std::optional<pid_t> lock_holder(const std::filesystem::path& lock);

// Keeps two commands from starting and stopping nodes of one cluster at the same time. The file
// stays; the lock ends with the object, or with the process.
class ControlLock {
 public:
  // Errors: io; bad_request if another command holds the lock.
  static Result<ControlLock> acquire(const std::filesystem::path& file);
  ControlLock(ControlLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ControlLock(const ControlLock&) = delete;
  ControlLock& operator=(const ControlLock&) = delete;
  ~ControlLock();

 private:
  explicit ControlLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// How our own child ended, if it has; nothing while it runs or if it is not our child.
[[nodiscard]] std::optional<Ending> reap(pid_t pid);

// The content of a pid file, if there is one and it is a number.
[[nodiscard]] std::optional<pid_t> read_pid_file(const std::filesystem::path& file);
// Errors: io. Written to a temporary file and renamed.
[[nodiscard]] Result<void> write_pid_file(const std::filesystem::path& file, pid_t pid);

// The last `lines` lines of what stands in a text file from octet `from` on; empty if it cannot be
// read, or has nothing there.
[[nodiscard]] std::string last_lines(const std::filesystem::path& file, std::size_t lines,
                                     std::uintmax_t from = 0);

}  // namespace paxledger::control
