#include "sim/plan_json.hpp"

#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace paxledger::sim {

namespace {

using Json = nlohmann::ordered_json;

// When the run of a simulated world begins, in its own time (sim/world.hpp).
constexpr Duration kBegin = std::chrono::seconds(1);
constexpr std::uint64_t kNodesMax = 9;
// No time in a plan is longer, so that sums of them stay far from the ends of their types.
constexpr std::uint64_t kDayUs = 86'400'000'000;

// Ends the reading; the text names the member.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::uint64_t microseconds_of(Duration duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

// Lists the members of the parts of a plan, each with its name; what it is called with reads or
// writes them. One list for both directions, so that they cannot drift apart.
template <class Visit>
void members(NetworkProfile& network, Visit visit) {
  visit("latency_us_min", network.latency_us_min);
  visit("latency_us_max", network.latency_us_max);
  visit("drop_permille", network.drop_permille);
  visit("duplicate_permille", network.duplicate_permille);
  visit("slow_permille", network.slow_permille);
  visit("in_order", network.in_order);
}

template <class Visit>
void members(WorkProfile& work, Visit visit) {
  visit("clients", work.clients);
  visit("pipeline", work.pipeline);
  visit("operations", work.operations);
  visit("think_us_max", work.think_us_max);
  visit("keys", work.keys);
  visit("reads_percent", work.reads_percent);
  visit("session_ms", work.session_ms);
  visit("close_permille", work.close_permille);
  visit("rest_permille", work.rest_permille);
  visit("patience_ms_max", work.patience_ms_max);
}

template <class Visit>
void members(engine::Limits& limits, Visit visit) {
  visit("batch_bytes_max", limits.batch_bytes_max);
  visit("batch_commands_max", limits.batch_commands_max);
  visit("window_slots", limits.window_slots);
  visit("window_bytes", limits.window_bytes);
  visit("queue_commands_max", limits.queue_commands_max);
  visit("queue_bytes_max", limits.queue_bytes_max);
  visit("pending_requests_max", limits.pending_requests_max);
  visit("pending_bytes_max", limits.pending_bytes_max);
  visit("catch_up_bytes", limits.catch_up_bytes);
}

template <class Part>
Json part_json(Part part) {
  Json json = Json::object();
  members(part, [&json](const char* name, auto& value) { json[name] = value; });
  return json;
}

std::string path_of(const std::string& part, const std::string& name) {
  return part.empty() ? name : part + "." + name;
}

void read(const Json& json, const std::string& path, bool& into) {
  if (!json.is_boolean()) throw Refused(path + ": expected true or false, found " + json.dump());
  into = json.get<bool>();
}

void read(const Json& json, const std::string& path, std::uint64_t& into) {
  if (!json.is_number_unsigned()) {
    throw Refused(path + ": expected a whole number from 0 on, found " + json.dump());
  }
  into = json.get<std::uint64_t>();
}

std::uint64_t number(const Json& json, const std::string& path, std::uint64_t least,
                     std::uint64_t most) {
  std::uint64_t value = 0;
  read(json, path, value);
  if (value < least || value > most) {
    throw Refused(path + ": expected " + std::to_string(least) + " to " + std::to_string(most) +
                  ", found " + json.dump());
  }
  return value;
}

// Calls `take(name, value, path)` for each member; it says whether it knows the name.
template <class Take>
void read_object(const Json& json, const std::string& part, Take take) {
  if (!json.is_object()) {
    throw Refused((part.empty() ? "the plan" : part) + ": expected an object, found " +
                  json.dump().substr(0, 40));
  }
  for (const auto& [name, value] : json.items()) {
    const std::string path = path_of(part, name);
    if (!take(name, value, path)) throw Refused(path + ": there is no such member");
  }
}

template <class Part>
void read_part(const Json& json, const std::string& part, Part& into) {
  read_object(json, part, [&](const std::string& name, const Json& value, const std::string& path) {
    bool known = false;
    members(into, [&](const char* member, auto& field) {
      if (name != member) return;
      known = true;
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, bool>) {
        read(value, path, field);
      } else {
        std::uint64_t wide = 0;
        read(value, path, wide);
        field = wide;
      }
    });
    return known;
  });
}

void read_faults(const Json& json, FaultProfile& faults) {
  read_object(json, "faults",
              [&](const std::string& name, const Json& value, const std::string& path) {
                if (name == "every_ms") {
                  faults.every_ms = number(value, path, 1, 86'400'000);
                  return true;
                }
                if (name == "disasters_in_ten") {
                  faults.disasters_in_ten = number(value, path, 0, 10);
                  return true;
                }
                bool on = false;
                if (!faults.set(name, on)) return false;
                read(value, path, on);
                return faults.set(name, on);
              });
}

Json faults_json(const FaultProfile& faults) {
  Json json = {{"every_ms", faults.every_ms}, {"disasters_in_ten", faults.disasters_in_ten}};
  for (const std::string_view kind : FaultProfile::kinds()) {
    json[std::string(kind)] = faults.has(kind);
  }
  return json;
}

void read_timing(const Json& json, engine::Timing& timing) {
  read_object(json, "timing",
              [&](const std::string& name, const Json& value, const std::string& path) {
                Duration* const into = name == "heartbeat_us"          ? &timing.heartbeat_interval
                                       : name == "election_timeout_us" ? &timing.election_timeout
                                       : name == "resend_us"           ? &timing.resend_interval
                                       : name == "batch_wait_us"       ? &timing.batch_wait_max
                                                                       : nullptr;
                if (into == nullptr) return false;
                const std::uint64_t least = into == &timing.batch_wait_max ? 0 : 100;
                *into = std::chrono::microseconds(number(value, path, least, 3'600'000'000));
                return true;
              });
}

// --- faults ---------------------------------------------------------------------------------

constexpr FaultKind kKinds[] = {
    FaultKind::cut,        FaultKind::mend,       FaultKind::disturb,   FaultKind::crash,
    FaultKind::kill,       FaultKind::start,      FaultKind::pause,     FaultKind::resume,
    FaultKind::lose_disk,  FaultKind::damage,     FaultKind::flip_bit,  FaultKind::fail_sync,
    FaultKind::fail_write, FaultKind::full_disk,  FaultKind::slow_disk, FaultKind::tamper,
    FaultKind::clock_jump, FaultKind::clock_rate, FaultKind::heal,
};

constexpr SimulatedDisk::Unsynced kUnsynced[] = {
    SimulatedDisk::Unsynced::lost, SimulatedDisk::Unsynced::kept, SimulatedDisk::Unsynced::random,
    SimulatedDisk::Unsynced::torn};

bool is_about_a_node(FaultKind kind) {
  return kind != FaultKind::cut && kind != FaultKind::mend && kind != FaultKind::disturb &&
         kind != FaultKind::heal;
}

// The one of `all` that is named.
template <class Enum, std::size_t N>
Enum one_of(const Enum (&all)[N], const Json& json, const std::string& path) {
  std::string names;
  for (const Enum each : all) {
    if (json.is_string() && json.get<std::string>() == to_string(each)) return each;
    names += (names.empty() ? "" : ", ") + std::string(to_string(each));
  }
  throw Refused(path + ": expected one of " + names + "; found " + json.dump());
}

Json fault_json(const Fault& fault) {
  Json json = {{"kind", to_string(fault.kind)}};
  if (fault.node != kNobody) json["node"] = fault.node.value();
  for (const Link& link : fault.links) {
    json["links"].push_back({link.from.value(), link.to.value()});
  }
  if (fault.kind == FaultKind::disturb) {
    json["drop_permille"] = fault.effect.drop_permille;
    json["duplicate_permille"] = fault.effect.duplicate_permille;
    json["reorder_permille"] = fault.effect.reorder_permille;
    json["delay_us"] = microseconds_of(fault.effect.delay);
    json["jitter_us"] = microseconds_of(fault.effect.jitter);
  }
  if (fault.duration > Duration::zero()) json["duration_us"] = microseconds_of(fault.duration);
  if (fault.amount != 0) json["amount"] = fault.amount;
  if (fault.unsynced) json["unsynced"] = to_string(*fault.unsynced);
  if (fault.draw != 0) json["draw"] = fault.draw;
  if (!fault.label.empty()) json["label"] = fault.label;
  return json;
}

NodeId node_of(const Json& json, const std::string& path, std::uint32_t nodes) {
  return NodeId(static_cast<std::uint32_t>(number(json, path, 1, nodes)));
}

std::vector<Link> links_of(const Json& json, const std::string& path, std::uint32_t nodes) {
  std::vector<Link> links;
  if (!json.is_array()) throw Refused(path + ": expected a list of pairs of nodes");
  for (const Json& pair : json) {
    if (!pair.is_array() || pair.size() != 2) {
      throw Refused(path + ": expected pairs of nodes, found " + pair.dump());
    }
    links.push_back({node_of(pair[0], path, nodes), node_of(pair[1], path, nodes)});
    if (links.back().from == links.back().to) {
      throw Refused(path + ": a link joins two nodes, found " + pair.dump());
    }
  }
  return links;
}

bool read_fault_member(const std::string& name, const Json& value, const std::string& path,
                       std::uint32_t nodes, Fault& fault) {
  const auto permille = [&] { return static_cast<std::uint32_t>(number(value, path, 0, 1000)); };
  const auto time = [&] {
    return std::chrono::microseconds(number(value, path, 0, 3'600'000'000));
  };
  if (name == "kind") {
    fault.kind = one_of(kKinds, value, path);
  } else if (name == "node") {
    fault.node = node_of(value, path, nodes);
  } else if (name == "links") {
    fault.links = links_of(value, path, nodes);
  } else if (name == "drop_permille") {
    fault.effect.drop_permille = permille();
  } else if (name == "duplicate_permille") {
    fault.effect.duplicate_permille = permille();
  } else if (name == "reorder_permille") {
    fault.effect.reorder_permille = permille();
  } else if (name == "delay_us") {
    fault.effect.delay = time();
  } else if (name == "jitter_us") {
    fault.effect.jitter = time();
  } else if (name == "duration_us") {
    fault.duration = time();
  } else if (name == "amount") {
    if (!value.is_number_integer()) throw Refused(path + ": expected a whole number");
    fault.amount = value.get<std::int64_t>();
  } else if (name == "unsynced") {
    fault.unsynced = one_of(kUnsynced, value, path);
  } else if (name == "draw") {
    read(value, path, fault.draw);
  } else if (name == "label" && value.is_string()) {
    fault.label = value.get<std::string>();
  } else {
    return false;
  }
  return true;
}

Fault fault_of(const Json& json, const std::string& part, std::uint32_t nodes, Instant* at) {
  Fault fault;
  if (!json.is_object() || !json.contains("kind")) {
    throw Refused(part + ": expected an object with a kind");
  }
  read_object(json, part, [&](const std::string& name, const Json& value, const std::string& path) {
    if (name != "at_ns" || at == nullptr) {
      return read_fault_member(name, value, path, nodes, fault);
    }
    *at = Instant(kBegin + Duration(number(value, path, 0, 10'000'000'000'000'000)));
    return true;
  });
  if (is_about_a_node(fault.kind) && fault.node == kNobody) {
    throw Refused(path_of(part, "node") + ": " + std::string(to_string(fault.kind)) +
                  " is about a node; none is named");
  }
  if (fault.unsynced && fault.kind != FaultKind::crash) {
    throw Refused(path_of(part, "unsynced") + ": only a crash loses what was not synced");
  }
  if (fault.kind == FaultKind::full_disk && fault.amount < 0) {
    throw Refused(path_of(part, "amount") + ": a disk has room for 0 octets or more");
  }
  if (fault.kind == FaultKind::clock_rate &&
      (fault.amount > World::kClockRatePpmMax || fault.amount < -World::kClockRatePpmMax)) {
    throw Refused(path_of(part, "amount") + ": clocks are at most " +
                  std::to_string(World::kClockRatePpmMax) + " ppm off");
  }
  return fault;
}

void read_script(const Json& json, Plan& plan) {
  if (!json.is_array()) throw Refused("script: expected a list of faults");
  for (const Json& entry : json) {
    TimedFault timed;
    const std::string part = "script[" + std::to_string(plan.script.size()) + "]";
    timed.fault = fault_of(entry, part, plan.profile.options.nodes, &timed.at);
    plan.script.push_back(std::move(timed));
  }
}

bool read_plan_member(const std::string& name, const Json& value, const std::string& path,
                      Plan& plan) {
  Profile& profile = plan.profile;
  if (name == "seed") {
    read(value, path, plan.seed);
  } else if (name == "misfortunes") {
    read(value, path, plan.misfortunes);
  } else if (name == "nodes") {
    profile.options.nodes = static_cast<std::uint32_t>(number(value, path, 1, kNodesMax));
  } else if (name == "safety_phase_ms") {
    profile.safety_phase = std::chrono::milliseconds(number(value, path, 1, 86'400'000));
  } else if (name == "work_bits") {
    profile.options.work_bits = static_cast<std::uint8_t>(number(value, path, 0, 16));
  } else if (name == "disk_us_max") {
    profile.disk_us_max = number(value, path, 1, 3'600'000'000);
  } else if (name == "segment_bytes") {
    const std::uint64_t sectors = number(value, path, 8192, 1 << 30) / storage::kSectorBytes;
    profile.options.disk.segment_bytes = sectors * storage::kSectorBytes;
  } else if (name == "block_file_bytes") {
    profile.options.disk.block_file_bytes = number(value, path, 1, 1 << 30);
  } else if (name == "timing") {
    read_timing(value, profile.options.timing);
  } else if (name == "limits") {
    read_part(value, path, profile.options.limits);
  } else if (name == "network") {
    read_part(value, path, profile.network);
  } else if (name == "faults") {
    read_faults(value, profile.faults);
  } else if (name == "work") {
    read_part(value, path, profile.work);
  } else {
    return name == "script";  // read when the number of nodes is known
  }
  return true;
}

void check_ranges(Profile profile) {
  const engine::Timing& timing = profile.options.timing;
  if (timing.heartbeat_interval >= timing.election_timeout) {
    throw Refused("timing: expected heartbeat_us < election_timeout_us");
  }
  if (2 * timing.batch_wait_max > timing.resend_interval) {
    throw Refused("timing: expected batch_wait_us <= half of resend_us");
  }
  const NetworkProfile& network = profile.network;
  if (network.latency_us_max < network.latency_us_min || network.latency_us_min == 0 ||
      network.latency_us_max > kDayUs) {
    throw Refused("network: expected 0 < latency_us_min <= latency_us_max <= " +
                  std::to_string(kDayUs));
  }
  if (network.drop_permille > 1000 || network.duplicate_permille > 1000 ||
      network.slow_permille > 1000) {
    throw Refused("network: a share is at most 1000 permille");
  }
  const WorkProfile& work = profile.work;
  if (work.keys == 0 || work.think_us_max == 0 || work.pipeline == 0) {
    throw Refused("work: keys, pipeline and think_us_max are at least 1");
  }
  if (work.think_us_max > kDayUs) {
    throw Refused("work.think_us_max: expected at most " + std::to_string(kDayUs));
  }
  if (work.patience_ms_max < 5 || work.patience_ms_max > kDayUs / 1000) {
    throw Refused("work.patience_ms_max: expected 5 to " + std::to_string(kDayUs / 1000));
  }
  if (work.session_ms < kv::kSessionMillisecondsMin ||
      work.session_ms > kv::kSessionMillisecondsMax) {
    throw Refused("work.session_ms: expected " + std::to_string(kv::kSessionMillisecondsMin) +
                  " to " + std::to_string(kv::kSessionMillisecondsMax));
  }
  if (work.close_permille > 1000 || work.rest_permille > 1000) {
    throw Refused("work: a share is at most 1000 permille");
  }
  if (work.reads_percent > 100) throw Refused("work.reads_percent: expected 0 to 100");
  if (work.clients > 1000) throw Refused("work.clients: expected at most 1000");
  members(profile.options.limits, [](const std::string& name, std::size_t value) {
    if (value == 0) throw Refused("limits." + name + ": expected at least 1");
  });
}

}  // namespace

std::string to_json(const Plan& plan) {
  const Profile& profile = plan.profile;
  const engine::Timing& timing = profile.options.timing;
  Json json = {
      {"seed", plan.seed},
      {"misfortunes", plan.misfortunes},
      {"nodes", profile.options.nodes},
      {"safety_phase_ms",
       std::chrono::duration_cast<std::chrono::milliseconds>(profile.safety_phase).count()},
      {"work_bits", profile.options.work_bits},
      {"timing",
       {{"heartbeat_us", microseconds_of(timing.heartbeat_interval)},
        {"election_timeout_us", microseconds_of(timing.election_timeout)},
        {"resend_us", microseconds_of(timing.resend_interval)},
        {"batch_wait_us", microseconds_of(timing.batch_wait_max)}}},
      {"limits", part_json(profile.options.limits)},
      {"network", part_json(profile.network)},
      {"disk_us_max", profile.disk_us_max},
      {"segment_bytes", profile.options.disk.segment_bytes},
      {"block_file_bytes", profile.options.disk.block_file_bytes},
      {"faults", faults_json(profile.faults)},
      {"work", part_json(profile.work)},
      {"script", Json::array()},
  };
  for (const TimedFault& timed : plan.script) {
    Json entry = {{"at_ns", (timed.at.since_origin() - kBegin).count()}};
    entry.update(fault_json(timed.fault));
    json["script"].push_back(std::move(entry));
  }
  return json.dump();
}

Result<Plan> parse_plan(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error{ErrorCode::bad_request, "the plan is not JSON"};
  Plan plan;
  plan.profile = Profile::usual();
  try {
    read_object(json, "", [&](const std::string& name, const Json& value, const std::string& path) {
      return read_plan_member(name, value, path, plan);
    });
    if (json.contains("script")) read_script(json["script"], plan);
    check_ranges(plan.profile);
  } catch (const Refused& refused) {
    return Error{ErrorCode::bad_request, refused.what()};
  }
  return plan;
}

Result<void> check_script(const Plan& plan) {
  const std::uint32_t nodes = plan.profile.options.nodes;
  for (const TimedFault& timed : plan.script) {
    if (!names_above(timed.fault, nodes)) continue;
    return Error{ErrorCode::bad_request,
                 "the script names a node that is not there: " + describe(timed.fault) +
                     "; there are " + std::to_string(nodes) + " nodes"};
  }
  return {};
}

std::string to_json(const Fault& fault) {
  return fault_json(fault).dump();
}

Result<Fault> parse_fault(std::string_view text, std::uint32_t nodes) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error{ErrorCode::bad_request, "the fault is not JSON"};
  try {
    return fault_of(json, "fault", nodes, nullptr);
  } catch (const Refused& refused) {
    return Error{ErrorCode::bad_request, refused.what()};
  }
}

}  // namespace paxledger::sim
