#include "client/answers.hpp"

#include <algorithm>

#include "client/request.hpp"

namespace paxledger::client {
namespace {

std::string text_of(const NodeAnswer& answer) {
  if (!answer.answered) return answer.message;
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

void Answers::add_older(const Answers& older) {
  for (const auto& [endpoint, answer] : older.by_endpoint_) {
    const auto [there, added] = by_endpoint_.try_emplace(endpoint, answer);
    if (!added && !there->second.answered && answer.answered) there->second = answer;
  }
  if (!refusal_) refusal_ = older.refusal_;
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
