// Decides what is sent where, and what each answer means. Owns no socket and reads no clock: the
// I/O thread tells it what happened, and takes from it what to send.
//
// A "link" is one connection: link = connection * endpoint count + endpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/prng.hpp"
#include "client/client.hpp"
#include "client/request.hpp"
#include "client/session.hpp"

namespace paxledger::client {

// What limits one packet, besides the protocol's own limits.
inline constexpr std::size_t kPacketRequestsMax = 512;
inline constexpr std::size_t kPacketBytesMax = std::size_t{1} << 20;
// How often tick() wants to be called while there are requests.
inline constexpr auto kTickInterval = std::chrono::milliseconds(10);
// How long close() waits for the session to be taken back.
inline constexpr auto kFarewell = std::chrono::milliseconds(250);

// Invariants:
//  1. A request's `done` runs exactly once, and the request is forgotten before.
//  2. A write is sent under one session and sequence only, unless no attempt under them had or
//     will have an effect (Request, invariant 2).
//  3. A request with a fixed endpoint is sent over links of that endpoint only.
class Dispatcher {
 public:
  Dispatcher(const Options& options, Seed seed);

  void submit(Request request, Clock::time_point now);

  // What happened on a link.
  void replied(std::size_t link, wire::ClientReply reply, Clock::time_point now);
  // Somebody took the TCP connection (or nobody did), who has yet to say that it is a node.
  void dialled(std::size_t link, bool taken);
  // A node of another cluster has refused a request, which had no effect; `message` says so. It is
  // not asked again until the connection has been made anew. A call that finds nobody else ends at
  // once with bad_request.
  void found_foreign(std::size_t link, std::uint64_t id, const std::string& message,
                     Clock::time_point now);
  void connected(std::size_t link, Clock::time_point now);
  void disconnected(std::size_t link, Clock::time_point now);

  // Deadlines, attempts that take too long, rests that are over.
  void tick(Clock::time_point now);

  [[nodiscard]] bool has_outbox(std::size_t link) const { return !links_[link].outbox.empty(); }
  // The requests of the next packet, which are deemed sent. Empty if there is nothing to send.
  [[nodiscard]] std::vector<wire::ClientRequest> take_packet(std::size_t link,
                                                             Clock::time_point now);

  // Ends every request as Client::close() says, then takes back the session; done when idle().
  void close(Clock::time_point now);
  [[nodiscard]] bool idle() const { return requests_.empty(); }

  [[nodiscard]] const Counters& counters() const { return counters_; }
  void count_malformed() { ++counters_.malformed_replies; }

 private:
  enum class LinkState : std::uint8_t { untried, up, down };
  struct Link {
    LinkState state = LinkState::untried;
    std::deque<std::uint64_t> outbox;  // may hold requests that have moved on
    std::size_t asked = 0;             // requests in Phase::asked
    Clock::time_point heard;           // last reply, or the first question after a pause
    Clock::time_point suspect_until;   // it was silent; others are asked first
    bool dialled = false;              // somebody took the last TCP connection
    std::string foreign;               // not empty: it leads to another cluster, as this text says
  };
  using Requests = std::unordered_map<std::uint64_t, Request>;
  enum class SessionState : std::uint8_t { none, opening, open };

  // Sessions.
  void admit(std::uint64_t id, Clock::time_point now);
  void open_session(Clock::time_point now);
  void session_opened(const wire::ClientReply& reply, Clock::time_point now);
  void release_waiting(Clock::time_point now);
  void give_sequence(Write& write);
  void on_session_expired(std::uint64_t id, Clock::time_point now);

  // Routing.
  [[nodiscard]] std::size_t take_connection();
  void dispatch(std::uint64_t id, Clock::time_point now);
  [[nodiscard]] std::optional<std::size_t> choose_link(const Request& request,
                                                       Clock::time_point now) const;
  [[nodiscard]] const Link* find_foreign(const Request& request) const;
  void leave_link(Request& request);
  void pass_over(std::uint64_t id, Clock::time_point now);
  void rest(Request& request, Clock::time_point now);
  void refused(std::uint64_t id, const wire::ValueReply& reply, Clock::time_point now);
  void not_prefer(std::size_t link);
  [[nodiscard]] bool takes_too_long(const Request& request, Clock::time_point now) const;
  [[nodiscard]] wire::ClientRequest message_of(std::uint64_t id, const Request& request,
                                               Clock::time_point now) const;

  // Ends.
  void answered(std::size_t link, std::uint64_t id, wire::ValueReply reply, Clock::time_point now);
  void finish(std::uint64_t id, wire::ClientReply reply, Clock::time_point now);
  void fail(std::uint64_t id, ErrorCode code, std::string message, Clock::time_point now);
  void complete_answers(Request& request) const;
  void expire(std::uint64_t id, Clock::time_point now);

  [[nodiscard]] std::size_t endpoint_of(std::size_t link) const { return link % endpoints_; }
  [[nodiscard]] const std::string& name_of(std::size_t link) const {
    return options_.endpoints[endpoint_of(link)];
  }

  Options options_;
  std::size_t endpoints_;
  std::size_t connections_;
  Prng prng_;
  std::vector<Link> links_;
  std::vector<std::size_t> preferred_;  // by connection: the endpoint that is asked first
  std::vector<std::size_t> load_;       // by connection: its requests that have not ended
  std::size_t turn_ = 0;                // the connection that is looked at first
  Requests requests_;
  std::uint64_t last_id_ = 0;

  SessionState session_state_ = SessionState::none;
  Session session_;
  std::uint64_t opening_ = 0;          // the request that opens it
  Answers opening_answers_;            // to the last one that failed
  std::deque<std::uint64_t> waiting_;  // writes in Phase::session, in the order of the calls
  bool closing_ = false;
  Counters counters_;
};

}  // namespace paxledger::client
