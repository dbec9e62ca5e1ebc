#include "sim/minimize.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace paxledger::sim {

namespace {

class Minimizer {
 public:
  Minimizer(Plan plan, const RunReport& report, const MinimizeOptions& options,
            const std::function<void(std::size_t, std::size_t)>& progress)
      : options_(options),
        progress_(progress),
        rule_(rule_of(report.result)),
        may_exceed_(report.beyond_limits) {
    best_ = std::move(plan);
    result_ = report.result;
  }

  Minimized run(const std::vector<TimedFault>& recorded) {
    // What chance did becomes a script, of which parts can be left out. If the run needs chance
    // itself to fail, only the rest can be made smaller.
    attempt([&recorded](Plan& plan) {
      plan.script = recorded;
      plan.misfortunes = false;
    });
    std::uint64_t size = 0;
    do {
      size = size_of(best_);
      shorten();
      leave_out_nodes();
      leave_out_faults();
      simplify_work();
      simplify_network();
    } while (size_of(best_) < size && runs_ < options_.runs_max);
    return {std::move(best_), std::move(result_), runs_};
  }

 private:
  static std::uint64_t size_of(const Plan& plan) {
    const WorkProfile& work = plan.profile.work;
    const auto ms = plan.profile.safety_phase / std::chrono::milliseconds(1);
    return plan.script.size() * 1000 + std::uint64_t{plan.profile.options.nodes} * 10'000 +
           work.clients * 100 + std::min<std::uint64_t>(work.operations, 10'000) + work.keys +
           work.pipeline + static_cast<std::uint64_t>(ms);
  }

  // Keeps the change if the run fails by the same rule with it, and not for lack of disks.
  bool attempt(const std::function<void(Plan&)>& change) {
    if (runs_ >= options_.runs_max) return false;
    Plan plan = best_;
    change(plan);
    runs_ += 1;
    RunReport report = sim::run(plan);
    if (progress_) progress_(runs_, best_.script.size());
    if (rule_of(report.result) != rule_ || (report.beyond_limits && !may_exceed_)) return false;
    best_ = std::move(plan);
    result_ = std::move(report.result);
    return true;
  }

  void shorten() {
    // In whole milliseconds, as cases are written.
    const auto shortened = [](Plan& plan, Duration by) {
      plan.profile.safety_phase =
          std::chrono::floor<std::chrono::milliseconds>(plan.profile.safety_phase - by);
    };
    const auto halved = [&](Plan& plan) { shortened(plan, plan.profile.safety_phase / 2); };
    const auto by_a_tenth = [&](Plan& plan) { shortened(plan, plan.profile.safety_phase / 10); };
    while (best_.profile.safety_phase > std::chrono::milliseconds(20) && attempt(halved)) {
    }
    while (best_.profile.safety_phase > std::chrono::milliseconds(20) && attempt(by_a_tenth)) {
    }
  }

  void leave_out_nodes() {
    for (std::uint32_t nodes = 1; nodes < best_.profile.options.nodes; ++nodes) {
      const bool enough = attempt([nodes](Plan& plan) {
        plan.profile.options.nodes = nodes;
        std::erase_if(plan.script,
                      [nodes](const TimedFault& timed) { return names_above(timed.fault, nodes); });
      });
      if (enough) return;
    }
  }

  void leave_out_faults() {
    std::size_t chunk = std::max<std::size_t>(best_.script.size() / 2, 1);
    while (!best_.script.empty()) {
      bool less = false;
      for (std::size_t begin = 0; begin < best_.script.size();) {
        const std::size_t end = std::min(begin + chunk, best_.script.size());
        const bool unneeded = attempt([begin, end](Plan& plan) {
          plan.script.erase(plan.script.begin() + static_cast<std::ptrdiff_t>(begin),
                            plan.script.begin() + static_cast<std::ptrdiff_t>(end));
        });
        less = less || unneeded;
        if (!unneeded) begin = end;
        if (runs_ >= options_.runs_max) return;
      }
      if (chunk == 1 && !less) return;
      chunk = std::max<std::size_t>(chunk / 2, 1);
    }
  }

  void lower(std::uint64_t WorkProfile::*number, std::uint64_t least) {
    if (best_.profile.work.*number <= least) return;
    if (attempt([&](Plan& plan) { plan.profile.work.*number = least; })) return;
    while (best_.profile.work.*number > least && attempt([&](Plan& plan) {
             plan.profile.work.*number = std::max(least, plan.profile.work.*number / 2);
           })) {
    }
    while (best_.profile.work.*number > least && best_.profile.work.*number < 32 &&
           attempt([&](Plan& plan) { plan.profile.work.*number -= 1; })) {
    }
  }

  void simplify_work() {
    lower(&WorkProfile::clients, 1);
    lower(&WorkProfile::pipeline, 1);
    lower(&WorkProfile::operations, 1);
    lower(&WorkProfile::keys, 1);
    lower(&WorkProfile::close_permille, 0);
    lower(&WorkProfile::rest_permille, 0);
  }

  void simplify_network() {
    for (const auto number : {&NetworkProfile::drop_permille, &NetworkProfile::duplicate_permille,
                              &NetworkProfile::slow_permille}) {
      if (best_.profile.network.*number > 0) {
        attempt([number](Plan& plan) { plan.profile.network.*number = 0; });
      }
    }
    if (!best_.profile.network.in_order) {
      attempt([](Plan& plan) { plan.profile.network.in_order = true; });
    }
  }

  MinimizeOptions options_;
  const std::function<void(std::size_t, std::size_t)>& progress_;
  std::string rule_;
  bool may_exceed_;  // the limits of faults
  Plan best_;
  RunResult result_;
  std::size_t runs_ = 0;
};

}  // namespace

std::string rule_of(const RunResult& result) {
  if (result.passed()) return {};
  const std::size_t colon = result.failure.find(':');
  const bool promised = result.verdict == RunVerdict::liveness && colon != std::string::npos;
  return std::string(to_string(result.verdict)) + " " +
         result.failure.substr(0, promised ? result.failure.find(',', colon) : colon);
}

Minimized minimize(const Plan& plan, const RunReport& report, const MinimizeOptions& options,
                   const std::function<void(std::size_t, std::size_t)>& progress) {
  return Minimizer(plan, report, options, progress).run(report.faults);
}

}  // namespace paxledger::sim
