#include "client/answers.hpp"

#include <algorithm>

#include "client/request.hpp"

namespace paxledger::client {
namespace {

std::string text_of(const NodeAnswer& answer) {
  // Of a timeout the message says what is meant; what came of the call is said of the call.
  const bool late = answer.code == ErrorCode::timeout && !answer.message.empty();
  if (!answer.answered || late) return answer.message;
  std::string word(to_string(answer.code));
  if (answer.message.empty()) return word;
  return answer.message.starts_with(word) ? answer.message : word + ": " + answer.message;
}

}  // namespace

void Answers::answered(std::size_t endpoint, ErrorCode code, const std::string& message) {
  by_endpoint_[endpoint] = {endpoint, true, code, message};
  if (is_refusal(code)) refusal_ = code;
}

void Answers::silent(std::size_t endpoint, const std::string& why) {
  const auto found = by_endpoint_.find(endpoint);
  if (found != by_endpoint_.end() && found->second.answered) return;
  by_endpoint_[endpoint] = {endpoint, false, ErrorCode::timeout, why};
}

void Answers::unreachable(std::size_t endpoint) {
  by_endpoint_.try_emplace(endpoint,
                           NodeAnswer{endpoint, false, ErrorCode::io, "cannot be reached"});
}

void Answers::add_opening(const Answers& opening) {
  for (const auto& [endpoint, of_opening] : opening.by_endpoint_) {
    NodeAnswer answer = of_opening;
    if (answer.answered && answer.code == ErrorCode::timeout) {
      answer.message = "no decision came in time";
    }
    const auto [there, added] = by_endpoint_.try_emplace(endpoint, answer);
    if (!added && !there->second.answered && answer.answered) there->second = answer;
  }
  if (!refusal_) refusal_ = opening.refusal_;
}

bool Answers::only_late(std::size_t endpoints) const {
  std::size_t out_of_reach = 0;
  for (const auto& [endpoint, answer] : by_endpoint_) {
    if (answer.answered && answer.code != ErrorCode::timeout) return false;
    if (!answer.answered && answer.code == ErrorCode::io) ++out_of_reach;
  }
  return out_of_reach < endpoints;
}

std::string Answers::text(const std::vector<std::string>& endpoints) const {
  // Nodes that say the same stand together, in the order in which the first of them comes.
  std::vector<std::pair<std::string, std::string>> groups;  // what, who
  for (const auto& [endpoint, answer] : by_endpoint_) {
    const std::string what = text_of(answer);
    const auto same = std::find_if(groups.begin(), groups.end(),
                                   [&](const auto& group) { return group.first == what; });
    if (same == groups.end()) {
      groups.emplace_back(what, endpoints[endpoint]);
    } else {
      same->second += ", " + endpoints[endpoint];
    }
  }
  std::string text;
  for (const auto& [what, who] : groups) {
    if (!text.empty()) text += "; ";
    text.append(who).append(": ").append(what);
  }
  return text;
}

std::vector<NodeAnswer> Answers::list() const {
  std::vector<NodeAnswer> list;
  list.reserve(by_endpoint_.size());
  for (const auto& [endpoint, answer] : by_endpoint_) list.push_back(answer);
  return list;
}

}  // namespace paxledger::client
