// The clients of a random run: sessions that retry over nodes until they know the outcome.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "sim/linearizability.hpp"
#include "sim/profile.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

// An operation that a client has begun and whose outcome it does not know yet.
struct OpenOperation {
  kv::CommandKind kind = kv::CommandKind::put;
  bool plain_read = false;  // a read that leaves no block behind; `kind` does not count
  bool local = false;
  std::string key;
  std::string value;
  std::uint64_t argument = 0;
  std::size_t history = 0;  // index into the clients' history
  std::uint64_t attempts = 0;
  bool asked = false;  // an attempt is under way
  RequestKey request;
  Instant asked_until;
  Instant first_sent;
  Height floor;  // every write known to be done when this one was begun is at or below
};

// What a client did and what came of it, for results and for the verdict.
struct Recorded {
  std::string key;
  RegisterOperation operation;
  bool excluded = false;  // never took effect, or is a local read
  bool refused = false;   // its only attempt was answered as having no effect
  std::size_t client = 0;
  std::string_view what;  // put, get, get_local, get_ledger, delete, compare_and_put
  Instant begun;
  std::optional<Instant> ended;         // the last answer, whatever it was
  ErrorCode code = ErrorCode::timeout;  // of the last answer
  NodeId node;                          // asked last
  std::uint64_t attempts = 0;
  Revision revision;
  Height height;
};

// Invariants:
//  1. A sequence is used for one command only, however often it is sent.
//  2. `acknowledged` stands below every open sequence.
class Clients {
 public:
  Clients(const WorkProfile& work, Prng prng, bool shared_session);

  // The client's turn: sends what must be sent again, and begins something new if it may.
  void wake(std::size_t client, World& world);
  void answered(const Answered& answered, World& world);
  // No faults any more: nobody gives up, and patience is long.
  void settle_down() { settled_ = true; }
  // Begins nothing new; open operations are still pursued.
  void begin_no_more() { closed_ = true; }
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::size_t count() const { return clients_.size(); }
  [[nodiscard]] std::uint64_t answered_count() const { return answered_; }

  // Everything that can be said once the run is over. Empty: nothing is wrong.
  // `duplicated`: the network doubled a message of this run.
  [[nodiscard]] std::string verdict(const AgreedHistory& agreed, bool duplicated,
                                    std::uint64_t* undecided) const;
  [[nodiscard]] const std::vector<Recorded>& history() const { return history_; }
  // An operation that somebody else has begun and looks after; it counts in the verdict as well.
  // Returns its place in the history.
  std::size_t add(Recorded recorded) {
    history_.push_back(std::move(recorded));
    return history_.size() - 1;
  }
  [[nodiscard]] Recorded& recorded(std::size_t place) { return history_[place]; }
  // What was found wrong on the way.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Copy {
    kv::Command command;  // without key and value
    std::string key;
    std::string value;
  };
  struct Client {
    SessionId session;
    bool open = false;       // the session is known to be open
    bool expired = false;    // the session is over; a fresh one follows its last operation
    std::uint64_t next = 1;  // sequence
    std::uint64_t begun = 0;
    std::map<std::uint64_t, OpenOperation> operations;  // by sequence; plain reads above 2^40
    Instant opening_until;
    bool opening_now = false;
    std::map<std::string, std::pair<std::optional<std::string>, std::uint64_t>> seen;
    NodeId favourite{1};
    std::optional<Copy> last_done;  // in this session
    // While the client rests it only says that it is there, and repeats its last command.
    Instant rest_until;
    RequestKey opening;  // the last open_session, and when it was sent
    Instant opening_sent;
    Instant heard;  // when the last command, or open_session, that was answered was first sent
    bool surely_heard = false;  // since the rest began
    std::optional<Copy> late;   // of a session that was closed; sent again now and then
  };

  NodeId choose_node(Client& client, const World& world);
  [[nodiscard]] bool rests(std::size_t index, World& world);
  void open_session(std::size_t index, World& world);
  void close_session(std::size_t index, World& world);
  void send_late_copies(Client& client, World& world);
  void send_copy(const Copy& copy, World& world);
  void begin(std::size_t index, World& world);
  void draw_kind(OpenOperation& operation);
  void attempt(std::size_t index, std::uint64_t sequence, World& world);
  void finish(Client& client, std::uint64_t sequence, const Answered& answered, World& world);
  void refused(Client& client, std::uint64_t sequence, ErrorCode code);
  void note_refusal(const Client& client, std::uint64_t sequence);
  void check_floor(const OpenOperation& operation, const Answered& answered, const World& world);
  [[nodiscard]] Duration patience();

  WorkProfile work_;
  Prng prng_;
  std::vector<Client> clients_;
  std::map<RequestKey, std::pair<std::size_t, std::uint64_t>> requests_;
  std::vector<Recorded> history_;
  // Commands whose only attempt was answered as having no effect, and by whom and when.
  std::map<std::pair<SessionId, Sequence>, std::string> must_not_apply_;
  std::vector<std::string> violations_;
  Height done_;  // every write that a client knows to be done is at or below this height
  std::uint64_t answered_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t reads_ = std::uint64_t{1} << 40;
  bool settled_ = false;
  bool closed_ = false;
};

}  // namespace paxledger::sim
