// The dispatcher's part that deals with the session: opening it, giving out sequences, and what
// happens when it expires.
#include <utility>

#include "base/invariant.hpp"
#include "client/dispatcher.hpp"

namespace paxledger::client {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

void Dispatcher::admit(std::uint64_t id, Clock::time_point now) {
  Request& request = requests_.at(id);
  if (session_state_ == SessionState::open && waiting_.empty() && session_.has_room()) {
    give_sequence(std::get<Write>(request.body));
    dispatch(id, now);
    return;
  }
  request.phase = Phase::session;
  request.since = now;
  waiting_.push_back(id);
  open_session(now);
  release_waiting(now);
}

void Dispatcher::open_session(Clock::time_point now) {
  if (session_state_ != SessionState::none || closing_) return;
  session_state_ = SessionState::opening;
  // After a failure the same id is tried again, as long as it has not expired: opening is
  // idempotent, so nothing is left behind.
  if (session_.id() == SessionId(0)) session_ = Session(draw_session_id());

  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = session_.id();
  command.argument =
      static_cast<std::uint64_t>(duration_cast<milliseconds>(options_.session_ttl).count());
  Write write;
  write.kind = command.kind;
  write.session = command.session;
  write.octets = SharedBytes(kv::encode_command(command));

  Request request;
  request.body = std::move(write);
  request.deadline = now + options_.deadline;
  request.since = now;
  opening_ = ++last_id_;
  request.connection = take_connection();
  request.next_endpoint = preferred_[request.connection];
  requests_.emplace(opening_, std::move(request));
  dispatch(opening_, now);
}

void Dispatcher::session_opened(const wire::ClientReply& reply, Clock::time_point now) {
  const auto* value = std::get_if<wire::ValueReply>(&reply);
  opening_ = 0;
  if (value != nullptr && value->code == ErrorCode::ok) {
    session_state_ = SessionState::open;
    opening_answers_ = {};
    ++counters_.sessions_opened;
    return;  // finish() releases what waits
  }
  session_state_ = SessionState::none;
  if (closing_) return;
  const ErrorCode code = value == nullptr ? ErrorCode::bad_request : value->code;
  // tick() opens it again, or another one if this one has expired.
  if (is_refusal(code) || code == ErrorCode::timeout || code == ErrorCode::session_expired) return;
  // The cluster will never open it, so it is no use for the others to wait.
  const std::deque<std::uint64_t> waiting = std::exchange(waiting_, {});
  for (const std::uint64_t id : waiting) {
    if (requests_.contains(id)) {
      fail(id, code, value == nullptr ? "the node gave an answer of a wrong kind" : value->message,
           now);
    }
  }
}

void Dispatcher::release_waiting(Clock::time_point now) {
  while (session_state_ == SessionState::open && !waiting_.empty() && session_.has_room()) {
    const std::uint64_t id = waiting_.front();
    waiting_.pop_front();
    const auto found = requests_.find(id);
    if (found == requests_.end() || found->second.phase != Phase::session) continue;
    give_sequence(std::get<Write>(found->second.body));
    dispatch(id, now);
  }
}

void Dispatcher::give_sequence(Write& write) {
  kv::Command command;
  const std::string key = std::move(write.key);
  const std::string value = std::move(write.value);
  const SharedBytes before = write.octets;
  if (before.empty()) {
    command.kind = write.kind;
    command.argument = write.argument;
    command.key = key;
    command.value = value;
  } else {
    auto parsed = kv::parse_command(before.view());
    invariant(parsed.ok(), "the client reads its own commands");
    command = *parsed;
  }
  command.session = write.session = session_.id();
  command.sequence = write.sequence = session_.take();
  command.acknowledged = session_.acknowledged();
  write.key.clear();
  write.value.clear();
  write.octets = SharedBytes(kv::encode_command(command));
}

void Dispatcher::on_session_expired(std::uint64_t id, Clock::time_point now) {
  Request& request = requests_.at(id);
  auto* write = std::get_if<Write>(&request.body);
  if (id == opening_) {
    // An earlier attempt had opened it, and it has expired before anybody heard of that.
    session_ = Session();
    fail(id, ErrorCode::session_expired, "the session expired while it was opened", now);
    return;
  }
  if (write == nullptr || write->sequence == Sequence(0)) {
    fail(id, ErrorCode::bad_request, "the node knows no session where none was named", now);
    return;
  }
  if (session_state_ == SessionState::open && write->session == session_.id()) {
    session_ = Session();
    session_state_ = SessionState::none;
  }
  if (request.may_have_effect()) {
    fail(id, ErrorCode::timeout,
         "timeout, outcome unknown: the session expired before an answer came", now);
    return;
  }
  leave_link(request);
  write->session = SessionId(0);
  write->sequence = Sequence(0);
  ++counters_.retries;
  admit(id, now);
}

}  // namespace paxledger::client
