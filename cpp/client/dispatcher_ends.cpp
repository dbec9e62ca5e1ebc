// The dispatcher's part that ends requests: what came of a call, and how that is said.
#include <algorithm>
#include <utility>

#include "client/dispatcher.hpp"

namespace paxledger::client {
namespace {

wire::ValueReply failure(ErrorCode code, std::string message) {
  wire::ValueReply reply;
  reply.code = code;
  reply.message = std::move(message);
  return reply;
}

}  // namespace

void Dispatcher::finish(std::uint64_t id, wire::ClientReply reply, Clock::time_point now) {
  auto node = requests_.extract(id);
  Request& request = node.mapped();
  leave_link(request);
  --load_[request.connection];
  if (const auto* write = std::get_if<Write>(&request.body)) {
    const bool counted = write->sequence != Sequence(0) && write->session == session_.id();
    if (counted) session_.settle(write->sequence);
  }
  if (id == opening_) {
    opening_answers_ = std::move(request.answers);
    session_opened(reply, now);
  } else {
    const auto* value = std::get_if<wire::ValueReply>(&reply);
    Trace trace;
    trace.outcome_unknown =
        value != nullptr && value->code == ErrorCode::timeout && request.is_unknown();
    trace.endpoint = request.answered_by;
    if (!trace.endpoint && request.attempts > 0) trace.endpoint = endpoint_of(request.link);
    trace.leader = request.leader;
    trace.asked = request.answers.list();
    request.done({std::move(reply), std::move(trace)});
  }
  release_waiting(now);
}

void Dispatcher::fail(std::uint64_t id, ErrorCode code, std::string message,
                      Clock::time_point now) {
  finish(id, failure(code, std::move(message)), now);
}

// Everything that is known of who was asked for this call, and of who could not be.
void Dispatcher::complete_answers(Request& request) const {
  if (request.phase == Phase::asked) {
    request.answers.silent(endpoint_of(request.link), "gave no answer");
  }
  if (request.phase == Phase::session) {
    const auto opening = requests_.find(opening_);
    if (opening != requests_.end()) {
      const Request& asked = opening->second;
      request.answers.add_opening(asked.answers);
      if (request.leader == kNobody) request.leader = asked.leader;
      if (asked.phase == Phase::asked) {
        request.answers.silent(endpoint_of(asked.link), "gave no answer");
      }
    }
    request.answers.add_opening(opening_answers_);
  }
  const std::size_t first = request.connection * endpoints_;
  for (std::size_t endpoint = 0; endpoint < endpoints_; ++endpoint) {
    if (request.endpoint && endpoint != *request.endpoint) continue;
    const Link& link = links_[first + endpoint];
    if (link.dialled && link.state != LinkState::up) {
      // Somebody takes the connection and never greets, as a paused process does.
      request.answers.silent(endpoint, "does not answer");
    } else if (link.state == LinkState::down) {
      request.answers.unreachable(endpoint);
    }
  }
  if (request.endpoint && request.answers.empty()) {
    request.answers.silent(*request.endpoint, "does not answer");
  }
}

void Dispatcher::expire(std::uint64_t id, Clock::time_point now) {
  Request& request = requests_.at(id);
  complete_answers(request);
  std::string said = request.answers.text(options_.endpoints);
  if (said.empty()) said = "no node could be asked by the deadline";
  if (request.is_unknown()) {
    fail(id, ErrorCode::timeout,
         "timeout, outcome unknown: " + said + "; it may or may not have been written", now);
    return;
  }
  // That there is no quorum is for nodes to say, or for all of them to be out of reach. Else it is
  // known only that the time was too short, also of a write that was never sent.
  ErrorCode code = ErrorCode::no_quorum;
  const bool asked_in_vain = request.attempts > 0 && !request.changes_something();
  if (!asked_in_vain && request.endpoint && !request.is_write()) {
    code = ErrorCode::io;
  } else if (asked_in_vain || request.answers.only_late(endpoints_)) {
    code = ErrorCode::timeout;
  }
  code = request.answers.refusal().value_or(code);
  if (code == ErrorCode::timeout && request.phase == Phase::session) {
    said.insert(0, "timed out while a session was opened; ");
  }
  said += request.nothing_done();
  fail(id, code, std::move(said), now);
}

void Dispatcher::close(Clock::time_point now) {
  closing_ = true;
  waiting_.clear();
  std::vector<std::uint64_t> ids;
  for (const auto& [id, request] : requests_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const std::uint64_t id : ids) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) continue;
    const bool unknown = found->second.is_write() && found->second.may_have_effect();
    fail(id, unknown ? ErrorCode::timeout : ErrorCode::shutting_down,
         unknown ? "timeout, outcome unknown: the client was closed" : "the client was closed",
         now);
  }
  if (session_state_ != SessionState::open || !session_.has_room()) return;
  Request farewell;
  Write write;
  write.kind = kv::CommandKind::close_session;
  farewell.body = std::move(write);
  farewell.deadline = now + kFarewell;
  farewell.done = [](const Ended&) {};
  submit(std::move(farewell), now);
}

}  // namespace paxledger::client
