#include "cli/bench_command.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <utility>

#include "cli/load.hpp"
#include "cli/table.hpp"
#include "kv/command.hpp"
#include "node/quantities.hpp"

namespace paxledger::cli {
namespace {

Result<LoadPlan> plan_of(const BenchArguments& arguments) {
  LoadPlan plan;
  plan.workload = arguments.workload == "get"     ? Workload::get
                  : arguments.workload == "mixed" ? Workload::mixed
                                                  : Workload::put;
  plan.outstanding = arguments.outstanding;
  plan.rate = arguments.rate;
  plan.keys = arguments.keys;
  const auto duration = node::parse_duration(arguments.duration);
  if (!duration) return Error{ErrorCode::configuration, "--duration: " + duration.error().message};
  const auto warm_up = node::parse_duration(arguments.warm_up);
  if (!warm_up) return Error{ErrorCode::configuration, "--warm-up: " + warm_up.error().message};
  const auto grace = node::parse_duration(arguments.grace);
  if (!grace) return Error{ErrorCode::configuration, "--grace: " + grace.error().message};
  const auto size = node::parse_size(arguments.value_size);
  if (!size) return Error{ErrorCode::configuration, "--value-bytes: " + size.error().message};
  if (*size > kv::kValueBytesMax) {
    return Error{ErrorCode::configuration, "--value-bytes: a value has at most 1 MiB"};
  }
  plan.duration = *duration;
  plan.warm_up = *warm_up;
  plan.grace = *grace;
  plan.value_bytes = static_cast<std::size_t>(*size);
  plan.seed = Seed{1};
  return plan;
}

// The same endpoints with the leader's first, so that no request is forwarded. Unchanged where no
// leader is found.
std::vector<std::string> leader_first(const CommonOptions& options, const Target& target) {
  std::vector<std::string> endpoints = target.endpoints;
  auto db = connect(options, target);
  if (!db) return endpoints;
  std::vector<std::size_t> all(endpoints.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto answers = ask(**db, "status", all, std::chrono::seconds(1));
  for (const std::size_t i : all) {
    if (get_or(parse(answers[i].value.view()), "role", std::string()) != "leader") continue;
    std::rotate(endpoints.begin(), endpoints.begin() + static_cast<std::ptrdiff_t>(i),
                endpoints.end());
    break;
  }
  return endpoints;
}

double milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

Json errors_json(const LoadCounts& counts) {
  Json json = Json::object();
  for (const auto& [code, count] : counts.errors) json[std::string(to_string(code))] = count;
  return json;
}

Json result_json(const BenchArguments& arguments, const LoadPlan& plan, const LoadResult& result) {
  Json json;
  json["ok"] = result.all_completed();
  json["workload"] = arguments.workload;
  json["loop"] = plan.rate > 0 ? "open" : "closed";
  if (plan.rate > 0) {
    json["rate"] = plan.rate;
    json["outstanding_max"] = arguments.outstanding_max;
  } else {
    json["outstanding"] = plan.outstanding;
  }
  json["connections"] = arguments.connections;
  json["via"] = arguments.any_node ? "any" : "leader";
  json["value_bytes"] = plan.value_bytes;
  json["keys"] = plan.keys;
  json["seconds"] = std::chrono::duration<double>(result.measured).count();
  json["begun"] = result.counts.begun;
  json["completed"] = result.counts.completed;
  json["completed_late"] = result.completed_late;
  json["failed"] = result.counts.failed();
  json["unfinished"] = result.counts.unfinished;
  json["oldest_unfinished_ms"] = milliseconds(result.counts.oldest);
  json["per_second"] = result.per_second();
  json["latency_ms"] = {{"mean", milliseconds(result.latency.mean())},
                        {"p50", milliseconds(result.latency.percentile(0.5))},
                        {"p90", milliseconds(result.latency.percentile(0.9))},
                        {"p99", milliseconds(result.latency.percentile(0.99))},
                        {"p99.9", milliseconds(result.latency.percentile(0.999))},
                        {"max", milliseconds(result.latency.max())}};
  json["errors"] = errors_json(result.counts);
  json["warm_up"] = {{"completed", result.warm_up.completed},
                     {"failed", result.warm_up.failed()},
                     {"errors", errors_json(result.warm_up)}};
  return json;
}

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

void print_result(const BenchArguments& arguments, const LoadPlan& plan, const LoadResult& result) {
  const auto& latency = result.latency;
  using Align = Table::Align;
  Table table({{"WORKLOAD"},
               {"LOOP"},
               {"PER SECOND", Align::right},
               {"MEAN ms", Align::right},
               {"P50", Align::right},
               {"P90", Align::right},
               {"P99", Align::right},
               {"P99.9", Align::right},
               {"MAX", Align::right},
               {"ERRORS", Align::right}});
  const std::string loop = plan.rate > 0
                               ? "open, " + grouped(static_cast<std::uint64_t>(plan.rate)) + "/s"
                               : "closed, " + std::to_string(plan.outstanding) + " outstanding";
  table.add({arguments.workload + " " + size_text(plan.value_bytes), loop,
             grouped(static_cast<std::uint64_t>(result.per_second())),
             fixed(milliseconds(latency.mean())), fixed(milliseconds(latency.percentile(0.5))),
             fixed(milliseconds(latency.percentile(0.9))),
             fixed(milliseconds(latency.percentile(0.99))),
             fixed(milliseconds(latency.percentile(0.999))), fixed(milliseconds(latency.max())),
             grouped(result.counts.failed() + result.counts.unfinished)});
  std::cout << table.text();
}

// The sums, for people: what was begun, and what became of it.
std::string account_of(const LoadCounts& counts, const char* unfinished) {
  std::string text = "begun " + grouped(counts.begun) + " = completed " +
                     grouped(counts.completed) + " + failed " + grouped(counts.failed()) + " + " +
                     unfinished + " " + grouped(counts.unfinished);
  if (counts.unfinished > 0) text += " (oldest " + fixed(milliseconds(counts.oldest)) + " ms)";
  return text;
}

std::string errors_text(const LoadCounts& counts) {
  std::string text;
  for (const auto& [code, count] : counts.errors) {
    text += (text.empty() ? "" : ", ") + std::string(to_string(code)) + " " + grouped(count);
  }
  return text;
}

// Whatever did not end well is said aloud on standard error, where no script that reads the figures
// loses it.
void print_failures(const LoadResult& result) {
  const auto line = [](const std::string& text) { std::cerr << "paxledger: " << text << "\n"; };
  if (result.warm_up.failed() > 0) {
    line("FAILED IN THE WARM-UP: " + grouped(result.warm_up.failed()) + " requests (" +
         errors_text(result.warm_up) + "); they are not part of the figures");
  }
  if (result.counts.failed() > 0) {
    line("FAILED: " + grouped(result.counts.failed()) + " of " + grouped(result.counts.begun) +
         " requests (" + errors_text(result.counts) + ")");
  }
  if (result.counts.unfinished > 0) {
    line("UNFINISHED: " + grouped(result.counts.unfinished) + " of " +
         grouped(result.counts.begun) + " requests had no answer when the grace time ended; the " +
         "oldest waited " + fixed(milliseconds(result.counts.oldest)) + " ms");
  }
}

void print_progress(const LoadProgress& progress) {
  std::fprintf(stderr, "%6.1f s  %10s done, slowest %8.2f ms  %s%s\n",
               std::chrono::duration<double>(progress.elapsed).count(),
               grouped(progress.completed_since).c_str(), milliseconds(progress.slowest_since),
               progress.warm_up ? "warm-up: " : "",
               account_of(progress.counts, "under way").c_str());
}

}  // namespace

ExitCode bench(const CommonOptions& options, const BenchArguments& arguments) {
  const auto plan = plan_of(arguments);
  if (!plan) return report(options, plan.error());
  const auto target = find_target(options);
  if (!target) return report(options, target.error());
  const auto deadline = node::parse_duration(options.deadline);
  if (!deadline) return report(options, deadline.error());

  client::Options to;
  to.endpoints = arguments.any_node ? target->endpoints : leader_first(options, *target);
  to.deadline = *deadline;
  to.connections = arguments.connections;
  to.spread = arguments.any_node;
  to.session_ttl = std::chrono::seconds(30);
  to.outstanding_max =
      plan->rate > 0 ? arguments.outstanding_max : std::max<std::size_t>(plan->outstanding, 1024);
  if (target->configuration) to.cluster = target->configuration->cluster_id;
  auto db = client::Client::connect(std::move(to));
  if (!db) return report(options, db.error());

  if (plan->workload != Workload::put) {
    std::cerr << "writing " << grouped(plan->keys) << " keys to read\n";
    const auto filled = fill(**db, *plan);
    if (!filled.ok()) return report_write(options, filled.error(), filled.trace);
  } else {
    // The first write opens the session; a cluster that cannot serve says so before the load.
    const auto probe = (*db)->put("bench/probe", "").get();
    if (!probe.ok()) return report_write(options, probe.error(), probe.trace);
  }
  const auto result = run_load(**db, *plan, print_progress);
  if (options.json()) {
    std::cout << dump(result_json(arguments, *plan, result)) << "\n";
  } else {
    print_result(arguments, *plan, result);
    std::cout << account_of(result.counts, "unfinished") << "\n";
  }
  print_failures(result);
  std::cerr << "the keys bench/… stay in the database\n";
  return exit_code_of(result);
}

ExitCode exit_code_of(const LoadResult& result) {
  if (result.all_completed()) {
    return result.counts.completed > 0 ? ExitCode::ok : ExitCode::no_quorum;
  }
  std::map<ErrorCode, std::uint64_t> errors = result.counts.errors;
  for (const auto& [code, count] : result.warm_up.errors) errors[code] += count;
  if (result.counts.unfinished > 0 || errors.contains(ErrorCode::timeout)) return ExitCode::unknown;
  const auto most =
      std::max_element(errors.begin(), errors.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return exit_code_of(most->first);
}

}  // namespace paxledger::cli
