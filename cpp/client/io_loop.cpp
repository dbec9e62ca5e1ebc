#include "client/io_loop.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/invariant.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::client {
namespace {

constexpr int kDialEvents = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CLOSED;
constexpr int kUpEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
constexpr int kDownEvents = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED |
                            ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

// Packets are many requests each, so these are far above what is ever under way.
net::SocketBounds bounds() {
  net::SocketBounds bounds;
  bounds.messages_to_send_max = 10'000;
  bounds.messages_received_max = 10'000;
  bounds.frame_bytes_max = std::int64_t{16} << 20;
  return bounds;
}

// Against half-open connections: keepalive of TCP instead of ZMTP's heartbeats. A heartbeat that
// times out while the receive queue is full ends the process in libzmq 4.3.4 and 4.3.5 (an
// assertion on `_io_error`, zeromq/libzmq issues 4364 and 4767), and a caller whose callbacks are
// slow, or whose process was paused, would get there.
Result<void> watch_half_open(zmq::socket_t& socket) {
  try {
    socket.set(zmq::sockopt::heartbeat_ivl, 0);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, 5);
    socket.set(zmq::sockopt::tcp_keepalive_intvl, 2);
    socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
    return {};
  } catch (const zmq::error_t& error) {
    return Error{ErrorCode::io, std::string("cannot set up a connection: ") + error.what()};
  }
}

void refuse(Request& request, ErrorCode code, std::string message) {
  wire::ValueReply reply;
  reply.code = code;
  reply.message = std::move(message);
  request.done({std::move(reply), {}});
}

}  // namespace

Result<std::unique_ptr<IoLoop>> IoLoop::start(const Options& options) {
  auto context = net::Context::create();
  if (!context) return context.error();
  auto wakeup = net::Wakeup::create();
  if (!wakeup) return wakeup.error();
  std::unique_ptr<IoLoop> loop(new IoLoop(options, std::move(*context), std::move(*wakeup)));
  loop->thread_ = std::thread([raw = loop.get()] { raw->run(); });
  return loop;
}

IoLoop::IoLoop(const Options& options, net::Context context, net::Wakeup wakeup)
    : options_(options),
      context_(std::move(context)),
      wakeup_(std::move(wakeup)),
      dispatcher_(options, Seed{draw_session_id().value()}),
      writer_(options.cluster.value_or(wire::kAnyCluster)),
      connections_(options.endpoints.size() * options.connections) {
  poller_.add(wakeup_.fd());
}

IoLoop::~IoLoop() {
  close();
}

void IoLoop::submit(Request request) {
  if (outstanding_.fetch_add(1) >= options_.outstanding_max) {
    outstanding_.fetch_sub(1);
    refuse(request, ErrorCode::overloaded,
           std::to_string(options_.outstanding_max) + " calls are under way already");
    return;
  }
  request.done = [this, done = std::move(request.done)](Ended ended) {
    outstanding_.fetch_sub(1);  // first, so that the callback may call again
    done(std::move(ended));
  };
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    closed = close_requested_;
    if (!closed) {
      submitted_.push_back(std::move(request));
      if (std::exchange(asleep_, false)) wakeup_.wake();
    }
  }
  if (closed) refuse(request, ErrorCode::shutting_down, "the client was closed");
}

void IoLoop::begin_close() {
  const std::lock_guard lock(mutex_);
  close_requested_ = true;
  wakeup_.wake();
}

void IoLoop::abandon() {
  const std::lock_guard lock(mutex_);
  close_requested_ = true;
  abandoned_ = true;
  wakeup_.wake();
}

bool IoLoop::wait_closed(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  return has_ended_.wait_until(lock, until, [this] { return ended_; });
}

void IoLoop::close() {
  begin_close();
  const std::lock_guard lock(join_mutex_);
  if (!thread_.joinable()) return;
  invariant(thread_.get_id() != std::this_thread::get_id(),
            "a client is not closed from one of its callbacks");
  thread_.join();
}

Counters IoLoop::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

void IoLoop::run() {
  ::pthread_setname_np(::pthread_self(), "client loop");
  while (take_submitted()) {
    flush();
    poll();
    const auto now = Clock::now();
    if (now >= next_tick_) {
      dispatcher_.tick(now);
      next_tick_ = now + kTickInterval;
    }
  }
  for (Connection& connection : connections_) {
    if (!connection.is_open()) continue;
    zmq_socket_monitor(connection.dealer->raw().handle(), nullptr, 0);
    connection.monitor.reset();
    connection.dealer.reset();
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  has_ended_.notify_all();
}

bool IoLoop::take_submitted() {
  std::vector<Request> taken;
  bool close_requested = false;
  bool abandoned = false;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(submitted_);
    close_requested = close_requested_;
    abandoned = abandoned_;
    counters_ = dispatcher_.counters();
  }
  const auto now = Clock::now();
  for (Request& request : taken) dispatcher_.submit(std::move(request), now);
  if (close_requested && !closing_) {
    closing_ = true;
    dispatcher_.close(now);
  }
  // Once it closes, nothing is left in the dispatcher but the farewell.
  return !(closing_ && (abandoned || dispatcher_.idle()));
}

void IoLoop::flush() {
  for (std::size_t link = 0; link < connections_.size(); ++link) {
    if (!dispatcher_.has_outbox(link)) continue;
    Connection& connection = connections_[link];
    if (!connection.is_open()) {
      if (const auto opened = open(link); !opened) {
        dispatcher_.disconnected(link, Clock::now());
        continue;
      }
    }
    // What cannot be sent now counts as sent and not answered, and is asked elsewhere.
    const auto send = [&] { static_cast<void>(connection.dealer->send({}, writer_.finish())); };
    while (dispatcher_.has_outbox(link) && connection.dealer->is_writable()) {
      for (const auto& request : dispatcher_.take_packet(link, Clock::now())) {
        if (writer_.add(request)) continue;
        send();
        invariant(writer_.add(request), "an empty packet takes any request within the limits");
      }
      if (writer_.empty()) break;
      send();
    }
  }
}

Result<void> IoLoop::open(std::size_t link) {
  Connection& connection = connections_[link];
  auto dealer = context_.open(zmq::socket_type::dealer, bounds());
  if (!dealer) return dealer.error();
  auto monitor = context_.open(zmq::socket_type::pair, bounds());
  if (!monitor) return monitor.error();
  const std::string address = "inproc://monitor-" + std::to_string(link);
  if (zmq_socket_monitor(dealer->handle(), address.c_str(),
                         kDialEvents | kUpEvents | kDownEvents) != 0) {
    return Error{ErrorCode::io, std::string("cannot watch a connection: ") + zmq_strerror(errno)};
  }
  if (zmq_connect(monitor->handle(), address.c_str()) != 0) {
    return Error{ErrorCode::io, std::string("cannot watch a connection: ") + zmq_strerror(errno)};
  }
  if (auto steady = watch_half_open(*dealer); !steady) return steady;
  const std::string& endpoint = options_.endpoints[link % options_.endpoints.size()];
  if (auto connected = net::connect(*dealer, endpoint); !connected) return connected;
  poller_.add(connection.dealer.emplace(std::move(*dealer)));
  poller_.add(connection.monitor.emplace(std::move(*monitor)));
  open_links_.push_back(link);
  return {};
}

void IoLoop::poll() {
  std::optional<Duration> timeout;
  if (!dispatcher_.idle()) timeout = next_tick_ - Clock::now();
  // flush() left what a connection did not take. If it takes more by now, that is no reason to
  // sleep; else its descriptor will tell.
  for (const std::size_t link : open_links_) {
    if (dispatcher_.has_outbox(link) && connections_[link].dealer->is_writable()) {
      timeout = Duration::zero();
    }
  }
  {
    const std::lock_guard lock(mutex_);
    if (!submitted_.empty()) timeout = Duration::zero();
    asleep_ = !timeout || *timeout > Duration::zero();
  }
  poller_.wait(timeout);
  {
    // From here on whoever submits, callbacks above all, finds the loop at work.
    const std::lock_guard lock(mutex_);
    asleep_ = false;
  }
  if (poller_.readable(0)) wakeup_.clear();
  for (std::size_t i = 0; i < open_links_.size(); ++i) {
    // Replies before the news of a broken connection, behind which they may have come.
    if (poller_.readable(1 + 2 * i)) receive(open_links_[i]);
    if (poller_.readable(2 + 2 * i)) {
      receive(open_links_[i]);
      observe(open_links_[i]);
    }
  }
}

void IoLoop::receive(std::size_t link) {
  // Bounded, so that one flooding node does not keep the others waiting.
  constexpr int kPacketsMax = 64;
  Connection& connection = connections_[link];
  for (int packets = 0; packets < kPacketsMax; ++packets) {
    using Got = net::FrameReader::Got;
    const Got got = connection.dealer->read(connection.replies);
    if (got == Got::nothing || got == Got::failed) return;
    if (got != Got::message || connection.replies.count() != 1) {
      dispatcher_.count_malformed();
      continue;
    }
    auto packet = wire::decode_replies(net::octets_of(connection.replies.frame(0)));
    if (!packet) {
      dispatcher_.count_malformed();
      continue;
    }
    const auto now = Clock::now();
    if (options_.cluster && packet->cluster != *options_.cluster) {
      refused_as_foreign(link, *packet);
      continue;
    }
    for (auto& reply : packet->replies) dispatcher_.replied(link, std::move(reply), now);
  }
}

void IoLoop::refused_as_foreign(std::size_t link, const wire::ReplyPacket& packet) {
  const std::string& endpoint = options_.endpoints[link % options_.endpoints.size()];
  for (const auto& reply : packet.replies) {
    const auto* value = std::get_if<wire::ValueReply>(&reply);
    std::string message = endpoint + " is node " + std::to_string(packet.node.value()) +
                          " of another cluster than " +
                          (options_.cluster_name.empty() ? "the one that was meant"
                                                         : "\"" + options_.cluster_name + "\"");
    if (value != nullptr && !value->message.empty()) message += ": " + value->message;
    dispatcher_.found_foreign(link, wire::id_of(reply), message, Clock::now());
  }
}

void IoLoop::observe(std::size_t link) {
  // An event is two frames: number:u16 and value:u32 in host order, then the address.
  Connection& connection = connections_[link];
  while (connection.monitor->read(connection.events) == net::FrameReader::Got::message) {
    const zmq::message_t& frame = connection.events.frame(0);
    std::uint16_t event = 0;
    if (frame.size() >= sizeof event) std::memcpy(&event, frame.data(), sizeof event);
    if ((event & kDialEvents) != 0) dispatcher_.dialled(link, event == ZMQ_EVENT_CONNECTED);
    if ((event & kUpEvents) != 0) dispatcher_.connected(link, Clock::now());
    if ((event & kDownEvents) != 0) dispatcher_.disconnected(link, Clock::now());
  }
}

}  // namespace paxledger::client
