#include "cli/sim_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/checked_option.hpp"
#include "cli/seed_workers.hpp"
#include "cli/table.hpp"
#include "sim/minimize.hpp"
#include "sim/plan_json.hpp"
#include "sim/run.hpp"

namespace paxledger::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kTraceAroundFailure = 40;  // events
constexpr std::size_t kFailuresShown = 20;

ExitCode exit_code_of(sim::RunVerdict verdict) {
  switch (verdict) {
    case sim::RunVerdict::passed:
      return ExitCode::ok;
    case sim::RunVerdict::crash:
      return ExitCode::simulated_crash;
    case sim::RunVerdict::liveness:
      return ExitCode::simulated_liveness;
    case sim::RunVerdict::correctness:
      break;
  }
  return ExitCode::simulated_correctness;
}

Error wrong(const std::string& what) {
  return {ErrorCode::configuration, what};
}

Result<SeedRange> parse_seeds(const std::string& text) {
  const std::size_t dots = text.find("..");
  const auto first = parse_whole(text.substr(0, dots), {});
  if (!first) {
    return wrong((dots == std::string::npos ? "--seed: " : "--seeds: ") + first.error().message);
  }
  if (dots == std::string::npos) return SeedRange{*first, *first};
  const auto last = parse_whole(text.substr(dots + 2), {});
  if (!last) return wrong("--seeds: " + last.error().message);
  if (*last < *first) return wrong("--seeds: expected A..B with A <= B, found " + text);
  if (*last - *first >= 1'000'000'000) return wrong("--seeds: at most 1,000,000,000 at once");
  return SeedRange{*first, *last};
}

Result<void> choose_faults(const std::string& text, sim::FaultProfile& faults) {
  const std::uint64_t every_ms = faults.every_ms;
  faults = text == "all" ? sim::FaultProfile::all() : sim::FaultProfile::none();
  faults.every_ms = every_ms;
  if (text == "all" || text == "none") return {};
  std::istringstream words(text);
  std::string word;
  while (std::getline(words, word, ',') || text.empty()) {
    if (faults.set(word, true)) continue;
    if (word == "all" || word == "none") return wrong("--faults: " + word + " stands alone");
    std::string names;
    for (const auto kind : sim::FaultProfile::kinds()) names += ", " + std::string(kind);
    return wrong("--faults: there is no \"" + word + "\"; expected all, none, or some of" +
                 names.substr(1));
  }
  return {};
}

// What the options change in every plan.
Result<void> apply_options(const SimArguments& arguments, sim::Plan& plan) {
  sim::Profile& profile = plan.profile;
  if (arguments.nodes) profile.options.nodes = *arguments.nodes;
  if (arguments.minutes) {
    profile.safety_phase = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::ratio<60>>(*arguments.minutes));
    profile.work.operations = UINT64_MAX;
  }
  if (const auto checked = sim::check_script(plan); !checked) return wrong(checked.error().message);
  return arguments.faults ? choose_faults(*arguments.faults, profile.faults) : Result<void>();
}

// As a shell reads it back.
std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string replay_command(const SimArguments& arguments, std::uint64_t seed) {
  std::string text = "paxledger sim ";
  text += arguments.case_file.empty() ? "--seed " + std::to_string(seed)
                                      : "--case " + quoted(arguments.case_file);
  if (arguments.nodes) text += " --nodes " + std::to_string(*arguments.nodes);
  if (arguments.minutes) {
    char number[32];
    std::snprintf(number, sizeof number, "%.17g", *arguments.minutes);
    text += std::string(" --minutes ") + number;
  }
  if (arguments.faults) text += " --faults " + *arguments.faults;
  return text;
}

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// --- one run --------------------------------------------------------------------------------

Error cannot_write(const std::string& what, const std::string& path) {
  return {ErrorCode::io, "cannot write the " + what + " to " + path};
}

// Before a run, which may take long: whether what comes of it can be written.
Result<void> check_writable(const std::string& what, const std::string& path) {
  if (path.empty() || std::ofstream(path, std::ios::app)) return {};
  return cannot_write(what, path);
}

// Writes events as JSON lines where a file was asked for, and keeps the last ones as text.
class TraceWriter {
 public:
  explicit TraceWriter(const std::string& path) {
    if (!path.empty()) file_.emplace(path);
  }

  void take(const sim::Event& event) {
    if (file_) *file_ << sim::to_json(event) << '\n';
    char time[32];
    std::snprintf(time, sizeof time, "%12.3f ms  ",
                  static_cast<double>(event.at.since_origin().count()) / 1e6 - 1000);
    last_.push_back(time + event.text);
    if (last_.size() > kTraceAroundFailure) last_.pop_front();
  }
  // Errors: io, if not all was written.
  Result<void> finish(const std::string& path) {
    if (!file_) return {};
    file_->flush();
    if (*file_) return {};
    return cannot_write("trace", path);
  }
  [[nodiscard]] const std::deque<std::string>& last() const { return last_; }

 private:
  std::optional<std::ofstream> file_;
  std::deque<std::string> last_;
};

Result<void> save(const sim::Plan& plan, const std::string& path) {
  if (path.empty()) return {};
  std::ofstream file(path);
  file << sim::to_json(plan) << '\n';
  file.flush();
  if (file) return {};
  return cannot_write("case", path);
}

void print_result(const sim::RunResult& result, const std::string& replay) {
  std::printf("%s: %s\n", std::string(to_string(result.verdict)).c_str(), result.profile.c_str());
  std::printf("%.1f simulated seconds, %s blocks, %s answers, %s faults, %s elections\n",
              seconds_of(result.simulated), grouped(result.height).c_str(),
              grouped(result.answered).c_str(), grouped(result.faults).c_str(),
              grouped(result.elections).c_str());
  std::printf("trace hash %016llx\n", static_cast<unsigned long long>(result.trace_hash));
  if (result.passed()) return;
  std::printf("\n%s\n\nreplay: %s\n", result.failure.c_str(), replay.c_str());
}

void print_minimized(const sim::Minimized& small) {
  const sim::Profile& profile = small.plan.profile;
  std::printf(
      "\nsmallest case after %s runs: %u nodes, %s clients, %s operations each, %.3f s, %zu "
      "faults\n",
      grouped(small.runs).c_str(), profile.options.nodes, grouped(profile.work.clients).c_str(),
      grouped(profile.work.operations).c_str(), seconds_of(profile.safety_phase),
      small.plan.script.size());
  for (const sim::TimedFault& timed : small.plan.script) {
    std::printf("%12.3f ms  %s\n",
                static_cast<double>(timed.at.since_origin().count()) / 1e6 - 1000,
                describe(timed.fault).c_str());
  }
  std::printf("%s\n", small.result.failure.c_str());
}

ExitCode run_one(const CommonOptions& options, const SimArguments& arguments,
                 const sim::Plan& plan) {
  for (const auto& [what, path] :
       {std::pair{"trace", &arguments.trace_file}, std::pair{"case", &arguments.save_file}}) {
    if (const auto writable = check_writable(what, *path); !writable) {
      return cli::report(options, writable.error());
    }
  }
  TraceWriter trace(arguments.trace_file);
  const auto watched = [&] {
    return sim::run(plan, [&trace](const sim::Event& event) { trace.take(event); });
  };
  // To tell events costs time; whether that was needed is known afterwards, and a run can be had
  // again.
  const bool traced = !arguments.trace_file.empty();
  sim::RunReport report = traced ? watched() : sim::run(plan);
  if (!traced && !report.result.passed()) report = watched();
  const auto traced_whole = trace.finish(arguments.trace_file);
  const std::string replay = replay_command(arguments, plan.seed);
  const bool failed = !report.result.passed();
  Json json;
  if (options.json()) {
    json = Json::parse(sim::to_json(report.result));
    json["seed"] = plan.seed;
    json["replay"] = replay;
  } else {
    if (failed) {
      for (const std::string& line : trace.last()) std::printf("%s\n", line.c_str());
      std::printf("\n");
    }
    print_result(report.result, replay);
  }
  sim::Plan kept = plan;
  if (failed && arguments.minimize) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const sim::Minimized small =
        sim::minimize(plan, report, {}, [terminal](std::size_t runs, std::size_t faults) {
          if (terminal) std::fprintf(stderr, "\r%zu runs, %zu faults left   ", runs, faults);
        });
    if (terminal) std::fprintf(stderr, "\n");
    kept = small.plan;
    if (options.json()) {
      json["minimized"] = Json::parse(sim::to_json(small.plan));
    } else {
      print_minimized(small);
    }
  }
  const auto saved = save(kept, arguments.save_file);
  if (options.json()) std::cout << dump(json) << "\n";
  // What could not be written does not hide the verdict.
  ExitCode code = exit_code_of(report.result.verdict);
  for (const auto* done : {&traced_whole, &saved}) {
    if (*done) continue;
    std::fprintf(stderr, "paxledger: %s\n", done->error().message.c_str());
    if (!failed) code = ExitCode::other;
  }
  return code;
}

// --- many runs ------------------------------------------------------------------------------

class Summary {
 public:
  Summary(SeedRange range, bool shown)
      : range_(range), shown_(shown), began_(steady_clock::now()) {}

  void take(std::uint64_t seed, const sim::RunResult& result) {
    seeds_ += 1;
    simulated_ += result.simulated;
    height_ += result.height;
    answered_ += result.answered;
    faults_ += result.faults;
    elections_ += result.elections;
    undecided_ += result.undecided_histories;
    slowest_ = std::max(slowest_, result.recovery_election_timeouts);
    // The sum does not depend on the order in which processes end.
    hash_ += result.trace_hash;
    if (!result.passed()) failures_.emplace(seed, result);
    show_progress(seeds_ == range_.count());
  }

  [[nodiscard]] ExitCode exit_code() const {
    // What is worst decides: a broken promise, then a crash, then standing still.
    ExitCode code = ExitCode::ok;
    for (const auto& [seed, result] : failures_) {
      if (result.verdict == sim::RunVerdict::correctness) return exit_code_of(result.verdict);
      if (code != ExitCode::simulated_crash) code = exit_code_of(result.verdict);
    }
    return code;
  }
  [[nodiscard]] bool failed() const { return !failures_.empty(); }

  void print(const SimArguments& arguments) const {
    std::size_t shown = 0;
    for (const auto& [seed, result] : failures_) {
      if (++shown > kFailuresShown) {
        std::printf("… and %zu more\n", failures_.size() - kFailuresShown);
        break;
      }
      const std::string first_line = result.failure.substr(0, result.failure.find('\n'));
      std::printf("seed %llu: %s: %s\n  %s\n  replay: %s\n", static_cast<unsigned long long>(seed),
                  std::string(to_string(result.verdict)).c_str(), first_line.c_str(),
                  result.profile.c_str(), replay_command(arguments, seed).c_str());
    }
    std::printf("%s of %s seeds passed, %zu failed\n", grouped(seeds_ - failures_.size()).c_str(),
                grouped(range_.count()).c_str(), failures_.size());
    std::printf(
        "%s simulated seconds in %.1f s: %.0f per second; %s blocks, %s answers, %s faults, "
        "%s elections\n",
        grouped(static_cast<std::uint64_t>(seconds_of(simulated_))).c_str(), elapsed(),
        seconds_of(simulated_) / elapsed(), grouped(height_).c_str(), grouped(answered_).c_str(),
        grouped(faults_).c_str(), grouped(elections_).c_str());
    std::printf(
        "slowest return to full service: %.1f election timeouts; histories not judged: %s; "
        "sum of trace hashes %016llx\n",
        slowest_, grouped(undecided_).c_str(), static_cast<unsigned long long>(hash_));
  }

  [[nodiscard]] Json json(const SimArguments& arguments) const {
    Json failures = Json::array();
    for (const auto& [seed, result] : failures_) {
      Json one = Json::parse(sim::to_json(result));
      one["seed"] = seed;
      one["replay"] = replay_command(arguments, seed);
      failures.push_back(std::move(one));
    }
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(hash_));
    return {{"ok", failures_.empty()},
            {"seeds", seeds_},
            {"failed", failures_.size()},
            {"simulated_s", seconds_of(simulated_)},
            {"elapsed_s", elapsed()},
            {"blocks", height_},
            {"answers", answered_},
            {"faults", faults_},
            {"elections", elections_},
            {"undecided_histories", undecided_},
            {"slowest_recovery_election_timeouts", slowest_},
            {"trace_hash_sum", hash},
            {"failures", std::move(failures)}};
  }

 private:
  [[nodiscard]] double elapsed() const {
    return std::max(std::chrono::duration<double>(steady_clock::now() - began_).count(), 1e-3);
  }

  void show_progress(bool last) {
    if (!shown_ || (elapsed() < next_ && !last)) return;
    next_ = elapsed() + 0.5;
    const double rate = static_cast<double>(seeds_) / elapsed();
    const double left = static_cast<double>(range_.count() - seeds_) / std::max(rate, 1e-9);
    constexpr std::size_t kWidth = 24;
    const std::size_t full = seeds_ * kWidth / range_.count();
    const std::string bar = std::string(full, '#') + std::string(kWidth - full, '.');
    std::fprintf(stderr, "\r[%s] %s of %s seeds, %.0f/s, %zu failed, %s left   ", bar.c_str(),
                 grouped(seeds_).c_str(), grouped(range_.count()).c_str(), rate, failures_.size(),
                 uptime_text(left).c_str());
    if (last) std::fprintf(stderr, "\n");
  }

  SeedRange range_;
  bool shown_;
  steady_clock::time_point began_;
  double next_ = 0;
  std::uint64_t seeds_ = 0;
  Duration simulated_{0};
  std::uint64_t height_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t faults_ = 0;
  std::uint64_t elections_ = 0;
  std::uint64_t undecided_ = 0;
  double slowest_ = 0;
  std::uint64_t hash_ = 0;
  std::map<std::uint64_t, sim::RunResult> failures_;
};

ExitCode run_many(const CommonOptions& options, const SimArguments& arguments,
                  const SeedRange& range) {
  Summary summary(range, ::isatty(STDERR_FILENO) == 1);
  const auto plan_of = [&arguments](std::uint64_t seed) {
    sim::Plan plan = sim::Plan::draw(seed);
    static_cast<void>(apply_options(arguments, plan));  // they were checked before
    return plan;
  };
  const auto ran = run_seeds(range, arguments.jobs, plan_of,
                             [&](std::uint64_t seed, const sim::RunResult& result) {
                               summary.take(seed, result);
                               return !(arguments.stop_at_first && summary.failed());
                             });
  if (!ran) return report(options, ran.error());
  if (options.json()) {
    std::cout << dump(summary.json(arguments)) << "\n";
  } else {
    summary.print(arguments);
  }
  return summary.exit_code();
}

Result<sim::Plan> read_case(const std::string& path) {
  std::ifstream file(path);
  // A directory can be opened, but not read.
  std::error_code ignored;
  if (!file || std::filesystem::is_directory(path, ignored)) {
    return wrong("--case: cannot read " + path);
  }
  std::ostringstream text;
  text << file.rdbuf();
  auto plan = sim::parse_plan(text.str());
  if (!plan) return wrong(path + ": " + plan.error().message);
  return plan;
}

}  // namespace

ExitCode simulate(const CommonOptions& options, const SimArguments& arguments) {
  const auto range = parse_seeds(arguments.seeds);
  if (!range) return report(options, range.error());
  const bool single = range->count() == 1 || !arguments.case_file.empty();
  if (!single &&
      (!arguments.trace_file.empty() || arguments.minimize || !arguments.save_file.empty())) {
    return report(options, wrong("--trace, --minimize and --save are about one seed or case"));
  }
  sim::Plan plan;
  if (arguments.case_file.empty()) {
    plan = sim::Plan::draw(range->first);
  } else {
    auto read = read_case(arguments.case_file);
    if (!read) return report(options, read.error());
    plan = std::move(*read);
  }
  if (const auto applied = apply_options(arguments, plan); !applied) {
    return report(options, applied.error());
  }
  return single ? run_one(options, arguments, plan) : run_many(options, arguments, *range);
}

}  // namespace paxledger::cli
