// The commands that somebody waits for: clients of this node, and peers that forwarded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "engine/expiry_queue.hpp"
#include "engine/io.hpp"
#include "engine/place_index.hpp"
#include "engine/settings.hpp"
#include "engine/status.hpp"
#include "kv/command.hpp"
#include "paxos/messages.hpp"

namespace paxledger::engine {

// A peer that asked on somebody's behalf, and its name for the request.
struct RemoteOrigin {
  NodeId node;
  std::uint64_t id = 0;
  auto operator<=>(const RemoteOrigin&) const = default;
};
// Who is to be answered.
using Origin = std::variant<RequestKey, RemoteOrigin>;

// A command's identity, for exactly-once: all copies of a command share it.
struct CommandKey {
  SessionId session;
  Sequence sequence;
  auto operator<=>(const CommandKey&) const = default;

  // Copies of an open_session share a key and nothing else: each is a sign of life of its own, so
  // what came of an earlier one is no answer to a later one.
  [[nodiscard]] bool opens_session() const { return sequence == Sequence(0); }
};
// Precondition: the octets of a well-formed command.
[[nodiscard]] CommandKey command_key(std::string_view command);

// Every request from its arrival until its answer.
//
// A request is in one of four stages:
//   waiting    nobody to send it to yet, or the last attempt was refused
//   forwarded  sent to another node; sent again when the answer stays out
//   queued     this node leads and will propose it
//   proposed   it stands in a slot of this leadership
// Invariants:
//  1. Of all requests with one CommandKey at most one stands in the queue.
//  2. is_exposed() holds once a copy of the command may reach the log: from then on silence means
//     "outcome unknown", before it means "no effect".
//  3. size() <= pending_requests_max, and the commands weigh at most pending_bytes_max + one
//  command.
class Requests {
 public:
  enum class Stage : std::uint8_t { waiting, forwarded, queued, proposed };

  struct Request {
    Origin origin;
    SharedBytes command;
    CommandKey key;
    Instant expires;
    Stage stage = Stage::waiting;
    bool was_proposed = false;
    std::uint32_t sends = 0;  // forwards that were not refused
    NodeId sent_to;
    Instant sent_at;
    std::uint8_t hops = 0;  // how often the command was passed on before it came here

    // A copy of the command may have reached, or may yet reach, the log.
    [[nodiscard]] bool is_exposed() const { return was_proposed || sends > 0; }
  };

  // `first_id` is drawn anew for every life of the replica: an answer to a request of an earlier
  // life must not pass for the answer to one of this life.
  Requests(const Limits& limits, std::uint64_t first_id)
      : limits_(limits), next_id_(first_id), salt_(first_id) {}

  [[nodiscard]] bool is_full() const {
    return size() >= limits_.pending_requests_max || bytes_ >= limits_.pending_bytes_max;
  }
  [[nodiscard]] bool queue_is_full() const {
    return queue_.size() >= limits_.queue_commands_max || queued_bytes_ >= limits_.queue_bytes_max;
  }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const { return slots_.size() - free_.size(); }
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }

  // Whether the origin's request is already here: a forward that was sent again.
  [[nodiscard]] bool knows(const RemoteOrigin& origin) const;

  // Takes in a request as `waiting`; returns its id.
  std::uint64_t admit(Origin origin, SharedBytes command, CommandKey key, Instant expires,
                      std::uint8_t hops);

  // Moves a request into the queue, unless a twin stands there or in a slot already.
  void enqueue(std::uint64_t id);
  // Takes the front of the queue as long as the batch stays within the limits.
  [[nodiscard]] std::vector<SharedBytes> cut_batch(std::size_t bytes_max, std::size_t count_max);

  // The leadership ended: what was queued or proposed waits again, exposed if it was proposed.
  void on_leadership_lost();
  // This node leads: everything is to be proposed by itself.
  void on_leadership_won();

  // The ids of requests in `waiting`, and of those forwarded before `before`.
  [[nodiscard]] std::vector<std::uint64_t> to_be_sent(Instant before) const;
  void mark_forwarded(std::uint64_t id, NodeId to, Instant now);
  // The forward had no effect there; try elsewhere.
  void mark_refused(std::uint64_t id, NodeId by);
  // Null if it ended. Valid until a request is admitted or ends.
  [[nodiscard]] const Request* find(std::uint64_t id) const;

  // All requests with this key end, the oldest first; answer(origin) is called for each.
  template <class Answer>
  void resolve(const CommandKey& key, Answer&& answer) {
    for (Place at = find_first(key); at != kNowhere; at = find_first(key)) answer(end(at).origin);
  }
  // Of the requests with this key only those end that stand in a slot of this leadership.
  template <class Answer>
  void resolve_proposed(const CommandKey& key, Answer&& answer) {
    const Place first = find_first(key);
    if (first == kNowhere) return;
    // The last one is known before any of them ends.
    const Place last = slots_[first].twin_before;
    for (Place at = first, next = at;; at = next) {
      next = slots_[at].twin_after;
      if (slots_[at].request.stage == Stage::proposed) answer(end(at).origin);
      if (at == last) return;
    }
  }
  // One request ends.
  [[nodiscard]] std::optional<Request> take(std::uint64_t id);
  // When the time of one of them is over next; never() if none is here.
  [[nodiscard]] Instant next_expiry() const {
    return by_expiry_.empty() ? Instant::never() : by_expiry_.front().expires;
  }
  // Those whose time is over by `now`.
  [[nodiscard]] std::vector<Request> take_expired(Instant now);

  void describe(std::vector<QueuedItem>& items, std::size_t count_max) const;

  void hash_into(StateHasher& hasher) const;

 private:
  using Place = PlaceIndex::Place;
  static constexpr Place kNowhere = PlaceIndex::kNowhere;

  // Where a request stands from its arrival until its answer; then the slot is another's.
  struct Slot {
    std::uint64_t id = 0;
    Request request;
    // The requests with one key form a ring, in the order of their ids.
    Place twin_before = 0;
    Place twin_after = 0;
    bool is_taken = false;
  };

  // Nobody who chooses sessions and sequences knows the salt, so nobody chooses hashes.
  [[nodiscard]] std::uint64_t hash_of(std::uint64_t word, std::uint64_t other = 0) const;
  [[nodiscard]] std::uint64_t hash_of(const CommandKey& key) const;
  [[nodiscard]] std::uint64_t hash_of(const RemoteOrigin& origin) const;
  [[nodiscard]] Place find_place(std::uint64_t id) const;
  [[nodiscard]] Place find_first(const CommandKey& key) const;
  [[nodiscard]] Request& at(std::uint64_t id) { return slots_[find_place(id)].request; }
  void enqueue_at(Place place);
  // All of them, in the order of their ids.
  [[nodiscard]] std::vector<Place> in_order() const;
  // The request ends; its slot is free.
  Request end(Place place);

  Limits limits_;
  std::uint64_t next_id_;
  std::uint64_t salt_;
  std::vector<Slot> slots_;
  std::vector<Place> free_;
  PlaceIndex by_id_;
  PlaceIndex by_key_;  // the oldest one with each key
  PlaceIndex remote_;  // by their origin
  ExpiryQueue by_expiry_;
  // Ids of requests in stage `queued`; ids of requests that ended meanwhile may stand in between.
  std::deque<std::uint64_t> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t bytes_ = 0;  // of all commands
};

}  // namespace paxledger::engine
