// The thread that owns a client's sockets.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "client/client.hpp"
#include "client/dispatcher.hpp"
#include "client/request.hpp"
#include "net/context.hpp"
#include "net/frames.hpp"
#include "net/polled_socket.hpp"
#include "net/poller.hpp"
#include "net/wakeup.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::client {

// Requests are handed over by submit(); everything else happens on the loop's own thread.
//
// Invariant: a request that submit() took is answered through its `done` on the loop's thread,
// also when the loop is closed meanwhile.
class IoLoop {
 public:
  // Errors: io.
  static Result<std::unique_ptr<IoLoop>> start(const Options& options);
  ~IoLoop();

  // Any thread. If the request cannot begin (overloaded, shutting_down), `done` runs before the
  // call returns.
  void submit(Request request);
  // Any thread but the loop's own. Idempotent.
  void close();
  // Any thread: as Client's.
  void begin_close();
  [[nodiscard]] bool wait_closed(Clock::time_point until);
  void abandon();
  [[nodiscard]] Counters counters() const;

 private:
  // A connection: made when it is first needed. The monitor tells when it comes and goes.
  struct Connection {
    std::optional<net::PolledSocket> dealer;
    std::optional<net::PolledSocket> monitor;
    net::FrameReader replies;
    net::FrameReader events;
    [[nodiscard]] bool is_open() const { return dealer.has_value(); }
  };

  IoLoop(const Options& options, net::Context context, net::Wakeup wakeup);

  void run();
  // Takes over what was submitted. Returns whether to go on.
  bool take_submitted();
  void flush();
  void poll();
  void receive(std::size_t link);
  // Answers of a node whose cluster is not Options::cluster.
  void refused_as_foreign(std::size_t link, const wire::ReplyPacket& packet);
  void observe(std::size_t link);
  Result<void> open(std::size_t link);

  const Options options_;
  net::Context context_;
  net::Wakeup wakeup_;
  Dispatcher dispatcher_;                // the loop's thread
  wire::RequestWriter writer_;           // the loop's thread
  std::vector<Connection> connections_;  // the loop's thread; by link
  net::Poller poller_;                   // the loop's thread; wakeup_, then each open connection's
                                         // dealer and monitor
  std::vector<std::size_t> open_links_;  // the loop's thread; in the order of poller_
  Clock::time_point next_tick_;          // the loop's thread
  bool closing_ = false;                 // the loop's thread

  std::atomic<std::size_t> outstanding_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> submitted_;  // under mutex_, as is what follows
  bool asleep_ = false;
  bool close_requested_ = false;
  bool abandoned_ = false;
  bool ended_ = false;  // the thread has nothing left to do but to end
  std::condition_variable has_ended_;
  Counters counters_;

  std::mutex join_mutex_;
  std::thread thread_;  // joined under join_mutex_
};

}  // namespace paxledger::client
