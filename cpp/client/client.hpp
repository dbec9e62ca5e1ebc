// The client of a Paxledger cluster.
//
// Every call goes to one node, whichever; if that node does not answer, or refuses without effect,
// the next one is asked, until the deadline. A write keeps its session and sequence through all
// attempts, so it is applied at most once.
//
// Threads: a Client may be used from any number of threads at once. One thread of its own does all
// its I/O and runs the callbacks; a callback must return soon, may make further asynchronous
// calls, and must not make a blocking call on, close or destroy the same Client.
//
// Deadlines: each call ends within its deadline, counted from the call, plus at most 20 ms.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "client/outcome.hpp"
#include "wire/client_messages.hpp"

namespace paxledger::client {

class IoLoop;

inline constexpr std::size_t kEndpointsMax = 64;
inline constexpr std::size_t kConnectionsMax = 256;

// The version of the client protocol that is spoken (docs/reference/client-protocol.md).
[[nodiscard]] std::uint64_t protocol_version();

struct Options {
  // Where the nodes listen for clients, e.g. "tcp://127.0.0.1:7101". The first is asked first.
  std::vector<std::string> endpoints;
  // If set, nodes of another cluster refuse.
  std::optional<ClusterId> cluster;
  // Its name, for messages.
  std::string cluster_name;
  // The deadline of calls that name none.
  Duration deadline = std::chrono::seconds(5);
  // A node that leaves a request, and all others, unanswered for so long is passed over. One that
  // answers others gets four times as long.
  Duration attempt_timeout = std::chrono::milliseconds(500);
  // The session expires when the cluster has heard nothing of it for so long. Between
  // kv::kSessionMillisecondsMin and kv::kSessionMillisecondsMax.
  Duration session_ttl = std::chrono::minutes(2);
  // Calls under way at once; one more is `overloaded`.
  std::size_t outstanding_max = 4096;
  // Connections to each node that is used. More than one is for load generators. Calls are shared
  // out evenly; those that begin when several of one connection have ended go together over it.
  std::size_t connections = 1;
  // Whether the connections begin at different endpoints instead of all at the first.
  bool spread = false;
};

enum class ReadMode : std::uint8_t {
  linearizable,  // sees every write that was acknowledged before the call
  local,         // what the asked node has applied, possibly stale; says from which height
  ledger,        // a linearizable read that goes through the log and leaves a block behind
};

struct CallOptions {
  std::optional<Duration> deadline;
  // Asks this node (an index into Options::endpoints) and no other. If it cannot be reached, the
  // call ends at once with `io`; if the connection breaks while it answers, with `timeout`.
  std::optional<std::size_t> endpoint;
};

// Counts since the start; for tests and for the curious.
struct Counters {
  std::uint64_t packets_sent = 0;
  std::uint64_t requests_sent = 0;  // attempts, so retries count again
  std::uint64_t retries = 0;
  std::uint64_t sessions_opened = 0;
  std::uint64_t malformed_replies = 0;
};

// Invariants:
//  1. A call's callback runs exactly once: on the I/O thread, or, when the call is refused before
//     it begins (overloaded, too_large, bad_request, shutting_down), on the caller's thread before
//     the call returns.
//  2. At most Options::outstanding_max calls are under way.
class Client {
 public:
  using Callback = std::function<void(Outcome)>;
  using ScanCallback = std::function<void(Result<ScanResult>)>;
  using ChainCallback = std::function<void(Result<ChainPage>)>;

  // Connections are made when they are first needed, so an unreachable cluster is not an error
  // here. Errors: bad_request (no or bad endpoints, an option out of its range), io (no sockets).
  static Result<std::unique_ptr<Client>> connect(Options options);

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  // Closes.
  ~Client();

  // Asynchronous calls. Octets are copied before the call returns.
  void put(std::string_view key, std::string_view value, const CallOptions& call, Callback done);
  void remove(std::string_view key, const CallOptions& call, Callback done);
  // Puts if the key's revision is `expected`; 0: if the key is not there.
  void compare_and_put(std::string_view key, Revision expected, std::string_view value,
                       const CallOptions& call, Callback done);
  void get(std::string_view key, ReadMode mode, const CallOptions& call, Callback done);
  // All keys that start with `prefix`, page after page; the deadline holds for all pages together.
  // Either complete or an error. `mode` must not be `ledger`.
  void scan(std::string_view prefix, ReadMode mode, const CallOptions& call, ScanCallback done);
  // Some blocks from height `first` (>= 1) on; none if the node's head is below `first`.
  void chain(Height first, const CallOptions& call, ChainCallback done);
  // An order to, or question for, one node; `argument` is a JSON text or empty. Sent again only if
  // the node refused it without effect.
  void admin(std::string_view action, std::string_view argument, const CallOptions& call,
             Callback done);

  // The same as futures, which are always fulfilled.
  std::future<Outcome> put(std::string_view key, std::string_view value,
                           const CallOptions& call = {});
  std::future<Outcome> remove(std::string_view key, const CallOptions& call = {});
  std::future<Outcome> compare_and_put(std::string_view key, Revision expected,
                                       std::string_view value, const CallOptions& call = {});
  std::future<Outcome> get(std::string_view key, ReadMode mode = ReadMode::linearizable,
                           const CallOptions& call = {});
  std::future<Result<ScanResult>> scan(std::string_view prefix,
                                       ReadMode mode = ReadMode::linearizable,
                                       const CallOptions& call = {});
  std::future<Result<ChainPage>> chain(Height first, const CallOptions& call = {});
  std::future<Outcome> admin(std::string_view action, std::string_view argument = {},
                             const CallOptions& call = {});

  // Ends: calls under way complete with `shutting_down`, or, where a write was already sent, with
  // `timeout`; later ones with `shutting_down`. Takes back the session, waiting at most 250 ms for
  // that. Idempotent.
  void close();
  // Begins what close() does, and waits for nothing. Many clients that begin together end together.
  void begin_close();
  // Waits for the end of what begin_close() began; returns whether it has come. close() is then a
  // matter of a moment.
  [[nodiscard]] bool wait_closed(std::chrono::steady_clock::time_point until);
  // As begin_close(), but the session is not waited for any longer: it expires by itself.
  void abandon();

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] Counters counters() const;

 private:
  Client(Options options, std::unique_ptr<IoLoop> loop);
  Options options_;
  std::unique_ptr<IoLoop> loop_;
};

}  // namespace paxledger::client
