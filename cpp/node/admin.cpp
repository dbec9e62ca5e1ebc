#include "node/admin.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace paxledger::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kDelayMillisecondsMax = 60'000;

Error bad(std::string text) {
  return Error{ErrorCode::bad_request, "fault: " + std::move(text)};
}

// Reads the members of one order; remembers the first thing that is wrong.
class OrderReader {
 public:
  void flag(const std::string& key, const Json& value, bool& target) {
    if (value.is_boolean()) {
      target = value.get<bool>();
    } else {
      refuse(key, value, "true or false");
    }
  }
  void probability(const std::string& key, const Json& value, std::uint32_t& target) {
    if (value.is_number() && value.get<double>() >= 0 && value.get<double>() <= 1) {
      target = net::parts_per_million(value.get<double>());
    } else {
      refuse(key, value, "a probability from 0 to 1");
    }
  }
  void milliseconds(const std::string& key, const Json& value, Duration& target) {
    if (value.is_number() && value.get<double>() >= 0 &&
        value.get<double>() <= kDelayMillisecondsMax) {
      target = std::chrono::duration_cast<Duration>(
          std::chrono::duration<double, std::milli>(value.get<double>()));
    } else {
      refuse(key, value, "milliseconds from 0 to 60000");
    }
  }
  void peer(const Json& value, const std::vector<NodeId>& peers, NodeId& target) {
    for (const NodeId each : peers) {
      if (value.is_number_integer() && value == each.value()) {
        target = each;
        return;
      }
    }
    std::string ids;
    for (const NodeId each : peers) {
      ids += (ids.empty() ? "" : ", ") + std::to_string(each.value());
    }
    refuse("peer", value, "another node's id: " + (ids.empty() ? "there is none" : ids));
  }
  void refuse(const std::string& key, const Json& value, const std::string& expected) {
    if (error_) return;
    error_ = bad("found " + value.dump(-1, ' ', false, Json::error_handler_t::replace) + " for \"" +
                 key + "\", expected " + expected);
  }
  void refuse_key(const std::string& key) {
    if (error_) return;
    error_ = bad("found the unknown key \"" + key +
                 "\", expected heal, or peer with block, block_incoming, drop, duplicate, reorder, "
                 "delay_ms and jitter_ms");
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> error_;
};

double probability_of(std::uint32_t ppm) {
  return static_cast<double>(ppm) / 1e6;
}

double milliseconds_of(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

Result<FaultOrder> parse_fault_order(std::string_view json, const std::vector<NodeId>& peers) {
  const Json order = Json::parse(json, nullptr, false);
  if (!order.is_object())
    return bad("expected a JSON object such as {\"peer\": 2, \"block\": true}");
  FaultOrder result;
  OrderReader reader;
  for (const auto& [key, value] : order.items()) {
    if (key == "heal") {
      reader.flag(key, value, result.heal);
    } else if (key == "peer") {
      reader.peer(value, peers, result.peer);
    } else if (key == "block") {
      reader.flag(key, value, result.fault.blocked);
    } else if (key == "block_incoming") {
      reader.flag(key, value, result.fault.blocked_incoming);
    } else if (key == "drop") {
      reader.probability(key, value, result.fault.drop_ppm);
    } else if (key == "duplicate") {
      reader.probability(key, value, result.fault.duplicate_ppm);
    } else if (key == "reorder") {
      reader.probability(key, value, result.fault.reorder_ppm);
    } else if (key == "delay_ms") {
      reader.milliseconds(key, value, result.fault.delay);
    } else if (key == "jitter_ms") {
      reader.milliseconds(key, value, result.fault.jitter);
    } else {
      reader.refuse_key(key);
    }
  }
  if (reader.error()) return *reader.error();
  if (result.heal && order.size() > 1) return bad("found keys beside heal, expected it alone");
  if (!result.heal && result.peer == kNobody)
    return bad("found neither heal nor peer, expected one");
  return result;
}

std::string faults_json(const std::map<NodeId, net::LinkFault>& faults) {
  Json list = Json::array();
  for (const auto& [peer, fault] : faults) {
    if (fault.is_none()) continue;
    Json json;
    json["peer"] = peer.value();
    json["block"] = fault.blocked;
    json["block_incoming"] = fault.blocked_incoming;
    json["drop"] = probability_of(fault.drop_ppm);
    json["delay_ms"] = milliseconds_of(fault.delay);
    json["jitter_ms"] = milliseconds_of(fault.jitter);
    json["duplicate"] = probability_of(fault.duplicate_ppm);
    json["reorder"] = probability_of(fault.reorder_ppm);
    list.push_back(std::move(json));
  }
  return Json{{"faults", std::move(list)}}.dump();
}

std::string verify_json(const storage::VerifyReport& report, const RepairProgress& repair) {
  Json json;
  json["ok"] = report.intact() && !repair.under_way;
  json["state"] = !report.intact() ? "damaged" : repair.under_way ? "repairing" : "intact";
  json["files"] = report.files;
  json["blocks"] = report.blocks;
  json["bytes"] = report.bytes;
  json["height"] = report.height.value();
  json["head"] = report.hash.hex();
  json["problems"] = Json::array();
  for (const storage::Problem& problem : report.problems) {
    json["problems"].push_back({{"file", problem.file},
                                {"offset", problem.offset},
                                {"height", problem.height.value()},
                                {"text", problem.text}});
  }
  json["notes"] = report.notes;
  json["repairing"] = repair.under_way || repair.begins;
  json["repair"] = nullptr;
  if (repair.under_way) {
    json["repair"] = {{"from", repair.from.value()},
                      {"restored", repair.restored.value()},
                      {"through", repair.through.value()},
                      {"reason", repair.reason}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace paxledger::node
