#include "client/dispatcher.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/invariant.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::client {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr auto kSuspicion = std::chrono::seconds(1);
constexpr auto kUnreachableRest = milliseconds(50);
constexpr auto kRestMin = milliseconds(20);
constexpr auto kRestMax = milliseconds(500);
// How much longer a node that answers others is waited for.
constexpr int kBusyPatience = 4;

// An upper bound of what a request takes in a packet.
std::size_t size_of(const wire::ClientRequest& request) {
  constexpr std::size_t kFraming = 64;
  return kFraming + std::visit(
                        [](const auto& message) -> std::size_t {
                          if constexpr (requires { message.command; }) {
                            return message.command.size();
                          } else if constexpr (requires { message.prefix; }) {
                            return message.prefix.size() + message.after.size();
                          } else if constexpr (requires { message.key; }) {
                            return message.key.size();
                          } else if constexpr (requires { message.action; }) {
                            return message.action.size() + message.argument.size();
                          } else {
                            return 0;
                          }
                        },
                        request);
}

}  // namespace

Dispatcher::Dispatcher(const Options& options, Seed seed)
    : options_(options),
      endpoints_(options.endpoints.size()),
      connections_(options.connections),
      prng_(seed),
      links_(endpoints_ * connections_),
      preferred_(connections_, 0),
      load_(connections_, 0) {
  invariant(endpoints_ > 0 && connections_ > 0, "a dispatcher has somewhere to send to");
  for (std::size_t connection = 0; options.spread && connection < connections_; ++connection) {
    preferred_[connection] = connection % endpoints_;
  }
}

void Dispatcher::submit(Request request, Clock::time_point now) {
  const std::uint64_t id = ++last_id_;
  request.since = now;
  request.connection = take_connection();
  request.next_endpoint = request.endpoint.value_or(preferred_[request.connection]);
  const bool is_write = request.is_write();
  const bool late = now >= request.deadline;
  const std::string nothing_done(request.nothing_done());
  requests_.emplace(id, std::move(request));
  if (late) {
    // Else it would depend on the moment of the next tick whether it is sent.
    fail(id, ErrorCode::timeout, "the time was up before it was sent" + nothing_done, now);
  } else if (is_write) {
    admit(id, now);
  } else {
    dispatch(id, now);
  }
}

// --- Routing ------------------------------------------------------------------------------------

// Evenly, and where several were just answered, those of one connection are filled first: requests
// then share packets, as their answers did. One that has more than its share is passed over; there
// is always one that has not.
std::size_t Dispatcher::take_connection() {
  const auto has_more_than_its_share = [this] {
    return load_[turn_] * connections_ > requests_.size();
  };
  const auto next = [this] { turn_ = (turn_ + 1) % connections_; };
  while (has_more_than_its_share()) next();
  const std::size_t taken = turn_;
  ++load_[taken];
  if (load_[taken] * connections_ > requests_.size() + 1) next();
  return taken;
}

std::optional<std::size_t> Dispatcher::choose_link(const Request& request,
                                                   Clock::time_point now) const {
  const std::size_t first = request.connection * endpoints_;
  if (request.endpoint) return first + *request.endpoint;
  for (const bool any : {false, true}) {
    for (std::size_t i = 0; i < endpoints_; ++i) {
      const std::size_t link = first + (request.next_endpoint + i) % endpoints_;
      const Link& candidate = links_[link];
      if (candidate.state == LinkState::down || !candidate.foreign.empty()) continue;
      if (any || now >= candidate.suspect_until) return link;
    }
  }
  return std::nullopt;
}

void Dispatcher::dispatch(std::uint64_t id, Clock::time_point now) {
  Request& request = requests_.at(id);
  const auto link = choose_link(request, now);
  if (request.endpoint && links_[*link].state == LinkState::down) {
    fail(id, ErrorCode::io,
         (links_[*link].dialled ? name_of(*link) + " does not answer"
                                : "cannot connect to " + name_of(*link)) +
             std::string(request.nothing_done()),
         now);
    return;
  }
  if (!link) {
    const Link* foreign = find_foreign(request);
    if (foreign != nullptr && !request.is_unknown()) {
      fail(id, ErrorCode::bad_request, foreign->foreign + std::string(request.nothing_done()), now);
      return;
    }
    if (closing_) {
      fail(id, ErrorCode::shutting_down, "no node can be reached", now);
      return;
    }
    request.phase = Phase::resting;
    request.since = now;
    request.resume_at = now + kUnreachableRest;
    return;
  }
  request.phase = Phase::queued;
  request.since = now;
  request.link = *link;
  links_[*link].outbox.push_back(id);
}

// A link of this request's connection that leads to another cluster.
const Dispatcher::Link* Dispatcher::find_foreign(const Request& request) const {
  const auto first = links_.begin() + static_cast<std::ptrdiff_t>(request.connection * endpoints_);
  const auto found = std::find_if(first, first + static_cast<std::ptrdiff_t>(endpoints_),
                                  [](const Link& link) { return !link.foreign.empty(); });
  return found == first + static_cast<std::ptrdiff_t>(endpoints_) ? nullptr : &*found;
}

void Dispatcher::leave_link(Request& request) {
  if (request.phase == Phase::asked) --links_[request.link].asked;
  request.phase = Phase::resting;
}

void Dispatcher::not_prefer(std::size_t link) {
  std::size_t& preferred = preferred_[link / endpoints_];
  if (preferred == endpoint_of(link)) preferred = (preferred + 1) % endpoints_;
}

// Asks the next node; the attempt that is under way stays unanswered.
void Dispatcher::pass_over(std::uint64_t id, Clock::time_point now) {
  Request& request = requests_.at(id);
  request.next_endpoint = (endpoint_of(request.link) + 1) % endpoints_;
  if (request.phase == Phase::asked) {
    ++counters_.retries;
    request.answers.silent(endpoint_of(request.link), links_[request.link].state == LinkState::down
                                                          ? "the connection broke"
                                                          : "gave no answer");
  }
  leave_link(request);
  dispatch(id, now);
}

void Dispatcher::rest(Request& request, Clock::time_point now) {
  const auto longest =
      std::min<milliseconds>(kRestMin * (1 << std::min(request.rests, 5u)), kRestMax);
  const auto half = static_cast<std::uint64_t>(longest.count() / 2);
  ++request.rests;
  request.refusals = 0;
  request.phase = Phase::resting;
  request.since = now;
  request.resume_at = now + milliseconds(static_cast<std::int64_t>(prng_.between(half, 2 * half)));
}

void Dispatcher::refused(std::uint64_t id, const wire::ValueReply& reply, Clock::time_point now) {
  Request& request = requests_.at(id);
  const bool node_is_unfit =
      reply.code == ErrorCode::shutting_down || reply.code == ErrorCode::repairing;
  if (request.endpoint && node_is_unfit) {
    fail(id, reply.code,
         request.answers.text(options_.endpoints) + std::string(request.nothing_done()), now);
    return;
  }
  if (reply.code != ErrorCode::overloaded) not_prefer(request.link);
  ++request.refusals;
  ++counters_.retries;
  request.next_endpoint = (endpoint_of(request.link) + 1) % endpoints_;
  leave_link(request);
  const bool asked_everyone = request.endpoint || request.refusals >= endpoints_;
  if (reply.code == ErrorCode::overloaded || reply.code == ErrorCode::timeout || asked_everyone) {
    rest(request, now);
  } else {
    dispatch(id, now);
  }
}

wire::ClientRequest Dispatcher::message_of(std::uint64_t id, const Request& request,
                                           Clock::time_point now) const {
  // The node is told to give up a little earlier, so that its reason still arrives in time.
  const auto left = duration_cast<milliseconds>(request.deadline - now).count();
  const auto budget =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(left * 9 / 10, 1, 86'400'000));
  return std::visit(
      [&](const auto& body) -> wire::ClientRequest {
        if constexpr (std::is_same_v<std::decay_t<decltype(body)>, Write>) {
          return wire::ExecuteRequest{id, budget, body.octets};
        } else {
          auto message = body;
          message.id = id;
          if constexpr (requires { message.budget_ms; }) message.budget_ms = budget;
          return message;
        }
      },
      request.body);
}

std::vector<wire::ClientRequest> Dispatcher::take_packet(std::size_t link, Clock::time_point now) {
  Link& from = links_[link];
  std::vector<wire::ClientRequest> packet;
  std::size_t bytes = 0;
  while (!from.outbox.empty() && packet.size() < kPacketRequestsMax) {
    const std::uint64_t id = from.outbox.front();
    const auto found = requests_.find(id);
    if (found == requests_.end() || found->second.phase != Phase::queued ||
        found->second.link != link) {
      from.outbox.pop_front();
      continue;
    }
    Request& request = found->second;
    wire::ClientRequest message = message_of(id, request, now);
    bytes += size_of(message);
    if (bytes > kPacketBytesMax && !packet.empty()) break;
    from.outbox.pop_front();
    packet.push_back(std::move(message));
    request.phase = Phase::asked;
    request.since = now;
    ++request.attempts;
    ++request.unanswered;
    if (from.asked++ == 0) from.heard = now;
  }
  if (!packet.empty()) ++counters_.packets_sent;
  counters_.requests_sent += packet.size();
  return packet;
}

// --- What happened ------------------------------------------------------------------------------

void Dispatcher::dialled(std::size_t link, bool taken) {
  links_[link].dialled = taken;
}

void Dispatcher::connected(std::size_t link, Clock::time_point now) {
  links_[link].state = LinkState::up;
  links_[link].foreign.clear();
  links_[link].suspect_until = now;
  for (auto& [id, request] : requests_) {
    if (request.phase == Phase::resting && request.rests == 0) request.resume_at = now;
  }
}

void Dispatcher::disconnected(std::size_t link, Clock::time_point now) {
  Link& gone = links_[link];
  gone.state = LinkState::down;
  gone.foreign.clear();
  not_prefer(link);
  if (gone.asked == 0 && gone.outbox.empty()) return;
  gone.outbox.clear();
  std::vector<std::uint64_t> affected;
  for (const auto& [id, request] : requests_) {
    const bool here = request.phase == Phase::asked || request.phase == Phase::queued;
    if (here && request.link == link) affected.push_back(id);
  }
  // In the order of the calls, so that a pipelining client's writes arrive in that order too.
  std::sort(affected.begin(), affected.end());
  for (const std::uint64_t id : affected) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) continue;
    const Request& request = found->second;
    const bool was_asked = request.phase == Phase::asked;
    if (was_asked && (request.endpoint || request.is_order())) {
      fail(id, ErrorCode::timeout,
           "the connection to " + name_of(link) + " broke before the answer", now);
    } else {
      pass_over(id, now);
    }
  }
}

bool Dispatcher::takes_too_long(const Request& request, Clock::time_point now) const {
  const Link& link = links_[request.link];
  const auto waited = now - request.since;
  if (request.phase == Phase::queued) {
    return !request.endpoint && waited > options_.attempt_timeout;
  }
  if (request.phase != Phase::asked || request.endpoint || request.is_order()) return false;
  const bool silent = now - link.heard > options_.attempt_timeout;
  return waited > options_.attempt_timeout * (silent ? 1 : kBusyPatience);
}

void Dispatcher::tick(Clock::time_point now) {
  std::vector<std::uint64_t> expired, slow, rested;
  for (const auto& [id, request] : requests_) {
    if (now >= request.deadline) {
      expired.push_back(id);
    } else if (request.phase == Phase::resting) {
      if (now >= request.resume_at) rested.push_back(id);
    } else if (takes_too_long(request, now)) {
      slow.push_back(id);
    }
  }
  std::sort(slow.begin(), slow.end());
  std::sort(rested.begin(), rested.end());
  for (const std::uint64_t id : expired) {
    if (requests_.contains(id)) expire(id, now);
  }
  for (const std::uint64_t id : slow) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) continue;
    Link& link = links_[found->second.link];
    if (now - link.heard > options_.attempt_timeout || link.state != LinkState::up) {
      link.suspect_until = now + kSuspicion;
      not_prefer(found->second.link);
    }
    pass_over(id, now);
  }
  for (const std::uint64_t id : rested) {
    if (requests_.contains(id)) dispatch(id, now);
  }
  while (!waiting_.empty() && !requests_.contains(waiting_.front())) waiting_.pop_front();
  if (!waiting_.empty()) open_session(now);
  release_waiting(now);
}

void Dispatcher::found_foreign(std::size_t link, std::uint64_t id, const std::string& message,
                               Clock::time_point now) {
  links_[link].heard = now;
  links_[link].foreign = message;
  not_prefer(link);
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request& request = found->second;
  if (request.unanswered > 0) --request.unanswered;
  request.answers.answered(endpoint_of(link), ErrorCode::bad_request, message);
  if (request.phase != Phase::asked || request.link != link) return;
  if (request.endpoint && !request.is_unknown()) {
    fail(id, ErrorCode::bad_request, message + std::string(request.nothing_done()), now);
    return;
  }
  request.next_endpoint = (endpoint_of(link) + 1) % endpoints_;
  ++counters_.retries;
  leave_link(request);
  if (request.endpoint) {
    rest(request, now);
  } else {
    dispatch(id, now);
  }
}

void Dispatcher::replied(std::size_t link, wire::ClientReply reply, Clock::time_point now) {
  links_[link].heard = now;
  const std::uint64_t id = wire::id_of(reply);
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;  // it was answered before, or its deadline passed
  found->second.answered_by = endpoint_of(link);
  if (auto* value = std::get_if<wire::ValueReply>(&reply)) {
    answered(link, id, std::move(*value), now);
  } else {
    finish(id, std::move(reply), now);
  }
}

void Dispatcher::answered(std::size_t link, std::uint64_t id, wire::ValueReply reply,
                          Clock::time_point now) {
  Request& request = requests_.at(id);
  request.leader = reply.leader;
  // An answer to an attempt that was passed over ends the request if it is a result, and else only
  // says something about that attempt.
  const bool current = request.phase == Phase::asked && request.link == link;
  if (reply.code == ErrorCode::session_expired) {
    if (request.unanswered > 0) --request.unanswered;
    if (current || !request.may_have_effect()) on_session_expired(id, now);
    return;
  }
  if (is_refusal(reply.code) || reply.code == ErrorCode::timeout) {
    request.answers.answered(endpoint_of(link), reply.code, reply.message);
  }
  if (is_refusal(reply.code)) {
    if (request.unanswered > 0) --request.unanswered;
    if (current) refused(id, reply, now);
    return;
  }
  if (reply.code == ErrorCode::timeout) {
    request.lost = true;
    if (request.endpoint || request.is_order()) {
      finish(id, std::move(reply), now);
    } else if (current) {
      refused(id, reply, now);
    }
    return;
  }
  finish(id, std::move(reply), now);
}

}  // namespace paxledger::client
