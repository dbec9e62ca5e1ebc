#include "control/process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <sstream>

extern char** environ;  // NOLINT: of POSIX

namespace paxledger::control {
namespace {

Error io_error(const std::string& what, int number) {
  return {ErrorCode::io, what + ": " + std::strerror(number)};
}

// Words of /proc/PID/stat, counted from the state, which is 0.
constexpr int kFlagsAfterState = 6;
constexpr int kThreadsAfterState = 17;
constexpr int kBirthAfterState = 19;
constexpr unsigned long kExiting = 0x4;  // PF_EXITING of those flags

std::vector<std::string_view> split_arguments(std::string_view cmdline) {
  std::vector<std::string_view> arguments;
  while (!cmdline.empty()) {
    const auto end = std::min(cmdline.find('\0'), cmdline.size());
    arguments.push_back(cmdline.substr(0, end));
    cmdline.remove_prefix(std::min(end + 1, cmdline.size()));
  }
  return arguments;
}

std::string read_all(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// What follows the name in /proc/PID/stat, `pid (name) state …`; empty if there is no such process.
// The name may hold anything, so the last ')' counts.
std::string stat_after_name(pid_t pid) {
  const std::string stat = read_all("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= stat.size() ? std::string()
                                                                      : stat.substr(name_end + 2);
}

std::string word_of(const std::string& text, int number) {
  std::istringstream words(text);
  std::string word;
  for (int i = 0; i <= number; ++i) words >> word;
  return word;
}

// What a child process is started with. RAII around the C interface of posix_spawn.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  // Returns an errno, 0 for success.
  int prepare(const std::string& log) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    const int steps[] = {
        posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0),
        posix_spawn_file_actions_addopen(&actions_, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                         0644),
        posix_spawn_file_actions_adddup2(&actions_, 1, 2),
        posix_spawn_file_actions_addclosefrom_np(&actions_, 3),
        posix_spawnattr_setsigmask(&attributes_, &none),
        posix_spawnattr_setsigdefault(&attributes_, &all),
        posix_spawnattr_setflags(
            &attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)};
    const auto* failed =
        std::find_if(std::begin(steps), std::end(steps), [](int number) { return number != 0; });
    return failed == std::end(steps) ? 0 : *failed;
  }

  int run(pid_t& pid, const std::vector<std::string>& command_line) {
    std::vector<std::string> arguments = command_line;
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    return posix_spawn(&pid, pointers[0], &actions_, &attributes_, pointers.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

std::string_view to_string(ProcessState state) {
  switch (state) {
    case ProcessState::stopped:
      return "stopped";
    case ProcessState::running:
      return "running";
    case ProcessState::paused:
      break;
  }
  return "paused";
}

std::string Ending::text() const {
  if (!signalled) return "exit code " + std::to_string(number);
  const char* name = strsignal(number);
  return "signal " + std::to_string(number) +
         (name == nullptr ? "" : " (" + std::string(name) + ")");
}

std::vector<std::string> DaemonArguments::command_line() const {
  std::vector<std::string> line = {daemon.string(), "--config", configuration.string(), "--node",
                                   std::to_string(node.value())};
  line.insert(line.end(), flags.begin(), flags.end());
  return line;
}

std::uintmax_t begin_log(const std::filesystem::path& log) {
  std::error_code error;
  const auto size = std::filesystem::file_size(log, error);
  if (error) return 0;
  if (size <= kLogBytesMax) return size;
  // If it cannot be renamed the log goes on growing, which is no reason not to start a node.
  std::filesystem::rename(log, log.string() + ".1", error);
  return error ? size : 0;
}

Result<pid_t> spawn(const DaemonArguments& arguments, const std::filesystem::path& log) {
  SpawnPlan plan;
  if (const int number = plan.prepare(log.string()); number != 0) {
    return io_error("cannot prepare to start " + arguments.daemon.string(), number);
  }
  pid_t pid = 0;
  if (const int number = plan.run(pid, arguments.command_line()); number != 0) {
    return io_error(
        "cannot start " + arguments.daemon.string() + " with its output to " + log.string(),
        number);
  }
  return pid;
}

bool is_daemon_command_line(std::string_view cmdline, NodeId node,
                            const std::filesystem::path& configuration) {
  const auto arguments = split_arguments(cmdline);
  if (arguments.empty()) return false;
  if (std::filesystem::path(arguments[0]).filename() != "paxledgerd") return false;
  const auto has = [&](std::string_view option, std::string_view value) {
    for (std::size_t i = 1; i + 1 < arguments.size(); ++i) {
      if (arguments[i] == option && arguments[i + 1] == value) return true;
    }
    return false;
  };
  return has("--config", configuration.string()) && has("--node", std::to_string(node.value()));
}

ProcessState inspect(pid_t pid, NodeId node, const std::filesystem::path& configuration) {
  if (pid <= 0) return ProcessState::stopped;
  const std::filesystem::path proc = "/proc/" + std::to_string(pid);
  if (!is_daemon_command_line(read_all(proc / "cmdline"), node, configuration)) {
    return ProcessState::stopped;
  }
  return state_of(pid);
}

ProcessState state_of(pid_t pid) {
  const std::string stat = stat_after_name(pid);
  const char state = stat.empty() ? 'X' : stat[0];
  if (state == 'X') return ProcessState::stopped;
  if (state == 'Z') {
    // While other threads of it are still ending, the files and locks of the process are open.
    const std::string threads = word_of(stat, kThreadsAfterState);
    return threads == "0" || threads == "1" ? ProcessState::stopped : ProcessState::running;
  }
  return state == 'T' || state == 't' ? ProcessState::paused : ProcessState::running;
}

bool is_dying(pid_t pid) {
  if (state_of(pid) == ProcessState::stopped) return false;
  std::istringstream lines(read_all("/proc/" + std::to_string(pid) + "/status"));
  bool is_daemon = false;
  bool killed = false;
  for (std::string line; std::getline(lines, line);) {
    is_daemon = is_daemon || line == "Name:\tpaxledgerd";
    if (!line.starts_with("SigPnd:\t") && !line.starts_with("ShdPnd:\t")) continue;
    const auto pending = std::strtoull(line.c_str() + line.find('\t') + 1, nullptr, 16);
    killed = killed || (pending >> (SIGKILL - 1) & 1U) != 0;
  }
  const std::string flags = word_of(stat_after_name(pid), kFlagsAfterState);
  return is_daemon && (killed || (std::strtoul(flags.c_str(), nullptr, 10) & kExiting) != 0);
}

std::uint64_t birth_of(pid_t pid) {
  const std::string word = word_of(stat_after_name(pid), kBirthAfterState);
  std::uint64_t birth = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), birth);
  return error == std::errc() ? birth : 0;
}

void mark_ending(const std::filesystem::path& file, pid_t pid) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << pid << ' ' << birth_of(pid) << '\n';
}

bool is_ending(const std::filesystem::path& file, pid_t pid) {
  std::istringstream words(read_all(file));
  pid_t marked = 0;
  std::uint64_t birth = 0;
  return words >> marked >> birth && marked == pid && birth != 0 && birth == birth_of(pid);
}

std::optional<pid_t> lock_holder(const std::filesystem::path& lock) {
  const auto pid = read_pid_file(lock);
  std::error_code error;
  const auto wanted = std::filesystem::canonical(lock, error);
  if (!pid || error) return std::nullopt;
  const std::filesystem::path proc = "/proc/" + std::to_string(*pid);
  const std::string cmdline = read_all(proc / "cmdline");
  const auto arguments = split_arguments(cmdline);
  if (arguments.empty() || std::filesystem::path(arguments[0]).filename() != "paxledgerd") {
    return std::nullopt;
  }
  for (std::filesystem::directory_iterator each(proc / "fd", error), end; !error && each != end;
       each.increment(error)) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(each->path(), ignored) == wanted) return pid;
  }
  return std::nullopt;
}

Result<ControlLock> ControlLock::acquire(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return io_error("cannot open " + file.string(), errno);
  ControlLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return io_error("cannot lock " + file.string(), errno);
  return Error{ErrorCode::bad_request,
               "another paxledger command starts or stops nodes of this cluster at this moment; "
               "try again when it is done"};
}

ControlLock::~ControlLock() {
  if (descriptor_ < 0) return;
  // A process that another thread makes at this moment has the file open too, until it runs its
  // program; closing alone would leave it the lock.
  ::flock(descriptor_, LOCK_UN);
  ::close(descriptor_);
}

std::optional<Ending> reap(pid_t pid) {
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = waitpid(pid, &status, WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped != pid) return std::nullopt;
  if (WIFSIGNALED(status)) return Ending{true, WTERMSIG(status)};
  return Ending{false, WEXITSTATUS(status)};
}

std::optional<pid_t> read_pid_file(const std::filesystem::path& file) {
  const std::string text = read_all(file);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || pid <= 0) return std::nullopt;
  if (std::any_of(end, text.data() + text.size(), [](char c) { return c != '\n'; })) {
    return std::nullopt;
  }
  return pid;
}

Result<void> write_pid_file(const std::filesystem::path& file, pid_t pid) {
  const std::string temporary = file.string() + ".new";
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << pid << '\n';
    out.flush();
    if (!out) return io_error("cannot write " + temporary, errno);
  }
  std::error_code error;
  std::filesystem::rename(temporary, file, error);
  if (error) return io_error("cannot write " + file.string(), error.value());
  return {};
}

std::string last_lines(const std::filesystem::path& file, std::size_t lines, std::uintmax_t from) {
  // Only the end is read: a log may be long.
  constexpr std::streamoff kBytesMax = std::streamoff{64} << 10;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const std::streamoff size = in.tellg();
  in.seekg(std::max(static_cast<std::streamoff>(from), size - kBytesMax));
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    last.push_back(std::move(line));
    if (last.size() > lines) last.pop_front();
  }
  std::string text;
  for (const std::string& line : last) text += line + "\n";
  return text;
}

}  // namespace paxledger::control
