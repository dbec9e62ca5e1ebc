#include "cli/seed_workers.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/json_text.hpp"
#include "sim/plan_json.hpp"

namespace paxledger::cli {
namespace {

Error system_error(const char* what) {
  return {ErrorCode::io, std::string(what) + ": " + std::generic_category().message(errno)};
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ::_exit(1);  // nobody reads any more
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// A process that runs some of the seeds, and says "SEED RESULT" of each, a line each.
struct Worker {
  pid_t pid = -1;
  int descriptor = -1;
  std::optional<std::uint64_t> next;  // the seed that it runs, or will; nothing: it is done
  std::string unread;
};

class Workers {
 public:
  Workers(const SeedRange& range, std::uint64_t jobs,
          const std::function<sim::Plan(std::uint64_t)>& plan_of,
          const std::function<bool(std::uint64_t, const sim::RunResult&)>& done)
      : range_(range),
        jobs_(std::min(jobs, range.count())),
        plan_of_(plan_of),
        done_(done),
        workers_(jobs_) {}

  ~Workers() {
    for (Worker& worker : workers_) {
      if (worker.pid > 0) ::kill(worker.pid, SIGKILL);
      end(worker);
    }
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  Result<void> run() {
    for (std::uint64_t i = 0; i < jobs_; ++i) {
      workers_[i].next = range_.first + i;
      if (auto begun = begin(workers_[i]); !begun) return begun;
    }
    while (!stopped_) {
      std::vector<pollfd> waiting;
      for (const Worker& worker : workers_) {
        if (worker.descriptor >= 0) waiting.push_back({worker.descriptor, POLLIN, 0});
      }
      if (waiting.empty()) break;
      if (::poll(waiting.data(), waiting.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return system_error("cannot wait for the simulating processes");
      }
      for (Worker& worker : workers_) {
        const bool ready = std::any_of(waiting.begin(), waiting.end(), [&](const pollfd& entry) {
          return entry.fd == worker.descriptor && entry.revents != 0;
        });
        if (!ready || stopped_) continue;
        if (auto heard = hear(worker); !heard) return heard;
      }
    }
    return {};
  }

 private:
  Result<void> begin(Worker& worker) {
    int ends[2];
    if (::pipe(ends) != 0) return system_error("cannot make a pipe");
    worker.pid = ::fork();
    if (worker.pid < 0) {
      ::close(ends[0]);
      ::close(ends[1]);
      return system_error("cannot make a process");
    }
    if (worker.pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(ends[0]);
      work(*worker.next, ends[1]);
    }
    ::close(ends[1]);
    worker.descriptor = ends[0];
    return {};
  }

  [[noreturn]] void work(std::uint64_t seed, int descriptor) {
    for (;; seed += jobs_) {
      const sim::RunReport report = sim::run(plan_of_(seed));
      write_all(descriptor, std::to_string(seed) + " " + sim::to_json(report.result) + "\n");
      if (!after(seed)) ::_exit(0);
    }
  }

  // Gives the descriptor back and waits for the process. The status that it ended with.
  static int end(Worker& worker) {
    int status = 0;
    if (worker.descriptor >= 0) ::close(worker.descriptor);
    if (worker.pid > 0) {
      while (::waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
      }
    }
    worker.descriptor = -1;
    worker.pid = -1;
    return status;
  }

  Result<void> hear(Worker& worker) {
    char octets[16384];
    const ssize_t count = ::read(worker.descriptor, octets, sizeof octets);
    if (count < 0) return errno == EINTR ? Result<void>() : system_error("cannot read a result");
    if (count == 0) return replace(worker);
    worker.unread.append(octets, static_cast<std::size_t>(count));
    for (std::size_t end = worker.unread.find('\n'); end != std::string::npos;
         end = worker.unread.find('\n')) {
      const std::string line = worker.unread.substr(0, end);
      worker.unread.erase(0, end + 1);
      take(worker, line);
    }
    return {};
  }

  // The next seed of the same process.
  [[nodiscard]] std::optional<std::uint64_t> after(std::uint64_t seed) const {
    if (range_.last - seed < jobs_) return std::nullopt;
    return seed + jobs_;
  }

  void take(Worker& worker, const std::string& line) {
    const std::uint64_t seed = std::strtoull(line.c_str(), nullptr, 10);
    worker.next = after(seed);
    report(seed, sim::parse_result(std::string_view(line).substr(line.find(' ') + 1)));
  }

  void report(std::uint64_t seed, const sim::RunResult& result) {
    if (!done_(seed, result)) stopped_ = true;
  }

  // The process of `worker` has ended: because it was done, or in the middle of a run.
  Result<void> replace(Worker& worker) {
    const int status = end(worker);
    worker.unread.clear();
    if (!worker.next) return {};
    const std::uint64_t seed = *worker.next;
    sim::RunResult result;
    result.verdict = sim::RunVerdict::crash;
    result.failure =
        "process: " + (WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status)) +
                                                 " (" + ::strsignal(WTERMSIG(status)) + ")"
                                           : "ended with " + std::to_string(WEXITSTATUS(status)));
    report(seed, result);
    worker.next = after(seed);
    return stopped_ || !worker.next ? Result<void>() : begin(worker);
  }

  SeedRange range_;
  std::uint64_t jobs_;
  const std::function<sim::Plan(std::uint64_t)>& plan_of_;
  const std::function<bool(std::uint64_t, const sim::RunResult&)>& done_;
  std::vector<Worker> workers_;
  bool stopped_ = false;
};

}  // namespace

Result<void> run_seeds(const SeedRange& range, std::uint64_t jobs,
                       const std::function<sim::Plan(std::uint64_t)>& plan_of,
                       const std::function<bool(std::uint64_t, const sim::RunResult&)>& done) {
  return Workers(range, jobs, plan_of, done).run();
}

}  // namespace paxledger::cli
