// Events and results as JSON.
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "sim/plan_json.hpp"

namespace paxledger::sim {

namespace {

using Json = nlohmann::ordered_json;

// When the run of a simulated world begins, in its own time (sim/world.hpp).
constexpr Duration kBegin = std::chrono::seconds(1);

std::string hash_text(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace

std::string to_json(const Event& event) {
  Json json = {{"at_us", static_cast<double>((event.at.since_origin() - kBegin).count()) / 1000.0},
               {"event", to_string(event.kind)}};
  if (event.node != kNobody) json["node"] = event.node.value();
  if (event.peer != kNobody) json["peer"] = event.peer.value();
  if (event.id != 0) json["id"] = event.id;
  if (!event.name.empty()) json["name"] = event.name;
  if (!event.ballot.is_none()) json["ballot"] = to_string(event.ballot);
  if (event.slot != Slot(0)) json["slot"] = event.slot.value();
  json["text"] = event.text;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_json(const RunResult& result) {
  const Json json = {
      {"verdict", to_string(result.verdict)},
      {"failure", result.failure},
      {"profile", result.profile},
      {"trace_hash", hash_text(result.trace_hash)},
      {"simulated_s", static_cast<double>(result.simulated.count()) / 1e9},
      {"height", result.height},
      {"answered", result.answered},
      {"faults", result.faults},
      {"elections", result.elections},
      {"undecided_histories", result.undecided_histories},
      {"recovery_ms", result.recovery_ms},
      {"recovery_election_timeouts", result.recovery_election_timeouts},
  };
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RunResult parse_result(std::string_view text) {
  RunResult result;
  try {
    const Json json = Json::parse(text);
    for (const RunVerdict verdict :
         {RunVerdict::passed, RunVerdict::crash, RunVerdict::liveness, RunVerdict::correctness}) {
      if (json.at("verdict") == to_string(verdict)) result.verdict = verdict;
    }
    json.at("failure").get_to(result.failure);
    json.at("profile").get_to(result.profile);
    result.trace_hash = std::stoull(json.at("trace_hash").get<std::string>(), nullptr, 16);
    result.simulated =
        Duration(static_cast<std::int64_t>(json.at("simulated_s").get<double>() * 1e9));
    json.at("height").get_to(result.height);
    json.at("answered").get_to(result.answered);
    json.at("faults").get_to(result.faults);
    json.at("elections").get_to(result.elections);
    json.at("undecided_histories").get_to(result.undecided_histories);
    json.at("recovery_ms").get_to(result.recovery_ms);
    json.at("recovery_election_timeouts").get_to(result.recovery_election_timeouts);
  } catch (const std::exception& error) {
    result.verdict = RunVerdict::crash;
    result.failure = std::string("result: cannot be read: ") + error.what();
  }
  return result;
}

}  // namespace paxledger::sim
