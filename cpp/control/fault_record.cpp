#include "control/fault_record.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace paxledger::control {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kDelayMillisecondsMax = 60'000;

// 0.1 → "10", 0.125 → "12.5": without trailing zeros.
std::string number_text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Json link_json(const LinkFault& fault) {
  return {{"from", fault.from.value()},   {"to", fault.to.value()},
          {"block", fault.block},         {"drop", fault.drop},
          {"delay_ms", fault.delay_ms},   {"jitter_ms", fault.jitter_ms},
          {"duplicate", fault.duplicate}, {"reorder", fault.reorder}};
}

LinkFault link_of(const Json& json) {
  LinkFault fault;
  fault.from = NodeId(json.at("from").get<std::uint32_t>());
  fault.to = NodeId(json.at("to").get<std::uint32_t>());
  fault.block = json.at("block").get<bool>();
  fault.drop = json.at("drop").get<double>();
  fault.delay_ms = json.at("delay_ms").get<double>();
  fault.jitter_ms = json.at("jitter_ms").get<double>();
  fault.duplicate = json.at("duplicate").get<double>();
  fault.reorder = json.at("reorder").get<double>();
  return fault;
}

Json ids_json(const std::set<NodeId>& ids) {
  Json list = Json::array();
  for (const NodeId id : ids) list.push_back(id.value());
  return list;
}

}  // namespace

bool LinkFault::is_clear() const {
  return !block && drop == 0 && delay_ms == 0 && jitter_ms == 0 && duplicate == 0 && reorder == 0;
}

std::string LinkFault::text() const {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (block) add("blocked");
  if (drop > 0) add("drop " + number_text(drop * 100) + " %");
  if (delay_ms > 0 || jitter_ms > 0) {
    add("delay " + number_text(delay_ms) + " ms" +
        (jitter_ms > 0 ? " + up to " + number_text(jitter_ms) + " ms" : ""));
  }
  if (duplicate > 0) add("duplicate " + number_text(duplicate * 100) + " %");
  if (reorder > 0) add("reorder " + number_text(reorder * 100) + " %");
  return text.empty() ? "clear" : text;
}

std::string LinkFault::admin_argument() const {
  Json json = link_json(*this);
  json.erase("from");
  json.erase("to");
  json["peer"] = to.value();
  return json.dump();
}

Result<void> check(const LinkFault& fault) {
  const auto bad = [](std::string message) {
    return Error{ErrorCode::bad_request, std::move(message)};
  };
  if (fault.from == fault.to) return bad("a link leads from one node to another one");
  const std::pair<const char*, double> probabilities[] = {
      {"drop", fault.drop}, {"duplicate", fault.duplicate}, {"reorder", fault.reorder}};
  for (const auto& [name, value] : probabilities) {
    if (!(value >= 0 && value <= 1)) {
      return bad(std::string(name) + " is a probability from 0 to 1, not " + number_text(value));
    }
  }
  const std::pair<const char*, double> delays[] = {{"delay", fault.delay_ms},
                                                   {"jitter", fault.jitter_ms}};
  for (const auto& [name, value] : delays) {
    if (!(value >= 0 && value <= kDelayMillisecondsMax)) {
      return bad(std::string(name) + " is a time from 0 to 60 s, not " + number_text(value) +
                 " ms");
    }
  }
  return {};
}

void FaultRecord::end_link(const LinkFault& fault) {
  std::erase_if(links,
                [&](const LinkFault& old) { return old.from == fault.from && old.to == fault.to; });
}

void FaultRecord::set_link(const LinkFault& fault) {
  end_link(fault);
  links.push_back(fault);
}

void FaultRecord::came_back(NodeId node) {
  killed.erase(node);
  paused.erase(node);
  std::erase_if(links,
                [&](const LinkFault& fault) { return fault.from == node && fault.is_clear(); });
}

std::string to_json(const FaultRecord& record) {
  Json json;
  json["links"] = Json::array();
  for (const LinkFault& fault : record.links) json["links"].push_back(link_json(fault));
  json["killed"] = ids_json(record.killed);
  json["paused"] = ids_json(record.paused);
  return json.dump(2) + "\n";
}

Result<FaultRecord> parse_fault_record(std::string_view text) {
  // The library throws on a missing member or a wrong type; this is the one place to catch it.
  try {
    const Json json = Json::parse(text);
    FaultRecord record;
    for (const Json& link : json.at("links")) record.set_link(link_of(link));
    for (const Json& id : json.at("killed")) record.killed.insert(NodeId(id.get<std::uint32_t>()));
    for (const Json& id : json.at("paused")) record.paused.insert(NodeId(id.get<std::uint32_t>()));
    return record;
  } catch (const Json::exception& error) {
    return Error{ErrorCode::damaged, std::string("this is no record of faults: ") + error.what()};
  }
}

Result<FaultRecord> read_fault_record(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return FaultRecord{};
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return Error{ErrorCode::io, "cannot read " + file.string()};
  auto record = parse_fault_record(text.str());
  if (!record) return Error{record.error().code, file.string() + ": " + record.error().message};
  return record;
}

Result<void> write_fault_record(const std::filesystem::path& file, const FaultRecord& record) {
  std::error_code error;
  if (record.empty()) {
    std::filesystem::remove(file, error);
    if (error)
      return Error{ErrorCode::io, "cannot remove " + file.string() + ": " + error.message()};
    return {};
  }
  const std::string temporary = file.string() + ".new";
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << to_json(record);
    out.flush();
    if (!out) {
      return Error{ErrorCode::io, "cannot write " + temporary + ": " + std::strerror(errno)};
    }
  }
  std::filesystem::rename(temporary, file, error);
  if (error) return Error{ErrorCode::io, "cannot write " + file.string() + ": " + error.message()};
  return {};
}

}  // namespace paxledger::control
