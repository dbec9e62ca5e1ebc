// What the nodes said to one call, for people and for programs that want to know more than a code.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "client/outcome.hpp"

namespace paxledger::client {

// Keeps the last real answer of each endpoint: that a node is silent now does not undo that it said
// "no quorum" a moment ago. Empty, and without any cost, for a call that succeeds at once.
class Answers {
 public:
  // What a node answered.
  void answered(std::size_t endpoint, ErrorCode code, const std::string& message);
  // It was asked and did not answer; `why` says how that was seen. Counts only without an answer.
  void silent(std::size_t endpoint, const std::string& why);
  void unreachable(std::size_t endpoint);
  // Takes over what was said to the opening of the session that the call waits for, where there is
  // nothing newer. Whether the session was opened is of no concern to the call: that a node does
  // not know is, of the call, a timeout without effect.
  void add_opening(const Answers& opening);

  // The code of the newest answer that refused without effect.
  [[nodiscard]] std::optional<ErrorCode> refusal() const { return refusal_; }
  [[nodiscard]] bool empty() const { return by_endpoint_.empty(); }
  // Whether time alone was lacking: no node answered anything but that it ran out of time, and not
  // all of the `endpoints` are known to be out of reach.
  [[nodiscard]] bool only_late(std::size_t endpoints) const;
  // "tcp://a:1, tcp://b:1: no quorum; tcp://c:1: cannot be reached"; empty if nobody was asked.
  [[nodiscard]] std::string text(const std::vector<std::string>& endpoints) const;
  // In the order of the endpoints.
  [[nodiscard]] std::vector<NodeAnswer> list() const;

 private:
  std::map<std::size_t, NodeAnswer> by_endpoint_;
  std::optional<ErrorCode> refusal_;
};

}  // namespace paxledger::client
