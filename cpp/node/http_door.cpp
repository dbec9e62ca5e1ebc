#include "node/http_door.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "net/wakeup.hpp"
#include "node/clock.hpp"
#include "node/http_message.hpp"

namespace paxledger::node {
namespace {

using std::chrono::milliseconds;

// New connections of one turn. Far fewer than places, so that each is read before it is the oldest.
constexpr std::size_t kAcceptsPerTurn = 16;
// The listener rests after the process ran out of descriptors.
constexpr Duration kAcceptPause = milliseconds(100);
constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kJson = "application/json";
constexpr const char* kMetrics = "text/plain; version=0.0.4; charset=utf-8";

class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

bool would_wait() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

Result<Socket> listen_on(const Address& address) {
  const Error failure{ErrorCode::io, "cannot listen on " + address.text() +
                                         " (http): the port is in use or not allowed"};
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &name.sin_addr) != 1) return failure;
  // Not SO_REUSEPORT, by which two processes could share the port unnoticed.
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return failure;
  }
  return socket;
}

// One connection: says a request, takes the response, and then closes first, so that its response
// is not lost with what it said too much.
class Connection {
 public:
  enum class State { reading, asking, writing, closing, ended };

  Connection(Socket socket, Instant deadline) : socket_(std::move(socket)), deadline_(deadline) {}

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Instant deadline() const { return deadline_; }
  [[nodiscard]] const HttpRequest& request() const { return request_; }
  [[nodiscard]] pollfd poll_item() const {
    const short events = state_ == State::writing ? POLLOUT : POLLIN;
    return {socket_.get(), events, 0};
  }
  void end() { state_ = State::ended; }

  // Takes in what waits. A turn reads at most about a head's length of each connection.
  void read() {
    std::array<char, kHttpHeadBytesMax> buffer;  // NOLINT: recv fills what is read of it
    const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && would_wait()) return;
    if (count <= 0) return end();
    if (state_ != State::reading) return;  // more than one request: nobody reads that
    input_.append(buffer.data(), static_cast<std::size_t>(count));
    HttpHead head = read_http_head(input_);
    switch (head.state) {
      case HttpHead::State::incomplete:
        break;
      case HttpHead::State::request:
        request_ = std::move(head.request);
        state_ = State::asking;
        break;
      case HttpHead::State::malformed:
        return answer({400, kText, "this is no HTTP request\n"}, deadline_);
      case HttpHead::State::too_long:
        return answer({431, kText, "the request is too long\n"}, deadline_);
    }
  }

  void answer(const HttpResponse& response, Instant deadline) {
    output_ = encode_http(response, request_.method != "HEAD");
    state_ = State::writing;
    deadline_ = deadline;
    write();
  }

  void write() {
    const ssize_t count =
        ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
    if (count < 0 && would_wait()) return;
    if (count < 0) return end();
    sent_ += static_cast<std::size_t>(count);
    if (sent_ < output_.size()) return;
    state_ = ::shutdown(socket_.get(), SHUT_WR) == 0 ? State::closing : State::ended;
  }

 private:
  Socket socket_;
  Instant deadline_;
  State state_ = State::reading;
  std::string input_;
  HttpRequest request_;
  std::string output_;
  std::size_t sent_ = 0;
};

}  // namespace

class HttpDoor::Server {
 public:
  explicit Server(Ask ask) : ask_(std::move(ask)) {}
  ~Server() { close(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Result<void> open(const Address& address) {
    auto bell = net::Wakeup::create();
    if (!bell.ok()) return bell.error();
    auto listener = listen_on(address);
    if (!listener.ok()) return listener.error();
    bell_.emplace(std::move(*bell));
    listener_ = std::move(*listener);
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void close() {
    if (!thread_.joinable()) return;
    closing_ = true;
    bell_->wake();
    thread_.join();
    connections_.clear();
    listener_ = Socket();
  }

  [[nodiscard]] std::map<std::string, std::uint64_t> requests() const {
    std::map<std::string, std::uint64_t> counts{{"other", other_}};
    for (std::size_t i = 0; i < kPages.size(); ++i) counts.emplace(kPages[i].path, served_[i]);
    return counts;
  }

 private:
  struct Page {
    const char* path;
    HttpResponse (*render)(const Report& report);
  };
  static HttpResponse livez(const Report& /*report*/) { return {200, kText, "ok\n"}; }
  static HttpResponse readyz(const Report& report) {
    const auto reason = not_ready_because(report);
    return {reason ? 503 : 200, kText, reason.value_or("ok") + "\n"};
  }
  static HttpResponse status(const Report& report) {
    return {200, kJson, status_json(report) + "\n"};
  }
  static HttpResponse metrics(const Report& report) {
    return {200, kMetrics, metrics_text(report)};
  }
  static constexpr std::array<Page, 4> kPages{
      {{"/livez", livez}, {"/metrics", metrics}, {"/readyz", readyz}, {"/status", status}}};

  void run() {
    while (!closing_) {
      wait();
      accept();
      for (Connection& connection : connections_) {
        connection.state() == Connection::State::writing ? connection.write() : connection.read();
      }
      answer();
      const Instant now = monotonic_now();
      connections_.remove_if([&](const Connection& connection) {
        return connection.state() == Connection::State::ended || connection.deadline() <= now;
      });
    }
  }

  void wait() {
    const Instant now = monotonic_now();
    const bool accepts = accept_from_ <= now;
    std::vector<pollfd> items{{bell_->fd(), POLLIN, 0},
                              {accepts ? listener_.get() : -1, POLLIN, 0}};
    Instant deadline = accepts ? Instant::never() : accept_from_;
    for (const Connection& connection : connections_) {
      items.push_back(connection.poll_item());
      deadline = std::min(deadline, connection.deadline());
    }
    const auto patience = std::max(deadline - now, Duration::zero());
    const bool forever = deadline == Instant::never();
    ::poll(items.data(), items.size(),
           forever ? -1 : static_cast<int>(std::chrono::ceil<milliseconds>(patience).count()));
  }

  void accept() {
    const Instant now = monotonic_now();
    for (std::size_t i = 0; i < kAcceptsPerTurn && accept_from_ <= now; ++i) {
      Socket socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (socket.get() < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          accept_from_ = now + kAcceptPause;
        }
        return;
      }
      if (connections_.size() >= kConnectionsMax) connections_.pop_front();
      connections_.emplace_back(std::move(socket), now + kPatience);
    }
  }

  // Answers every complete request.
  void answer() {
    std::optional<std::optional<Report>> report;  // asked for once a page needs it
    for (Connection& connection : connections_) {
      if (connection.state() != Connection::State::asking) continue;
      const HttpRequest& request = connection.request();
      const auto* page = std::find_if(kPages.begin(), kPages.end(),
                                      [&](const Page& each) { return request.path == each.path; });
      HttpResponse response;
      if (page == kPages.end()) {
        ++other_;
        response = {404, kText, "not found; there are /livez, /readyz, /status and /metrics\n"};
      } else if (request.method != "GET" && request.method != "HEAD") {
        ++other_;
        response = {405, kText, "only GET and HEAD are served\n"};
      } else {
        ++served_[static_cast<std::size_t>(page - kPages.begin())];
        if (!report) report = ask_();
        response = *report ? page->render(**report)
                           : HttpResponse{503, kText, "the event loop does not answer\n"};
      }
      connection.answer(response, monotonic_now() + kPatience);
    }
  }

  Ask ask_;
  std::optional<net::Wakeup> bell_;  // rung to close
  Socket listener_;
  Instant accept_from_;
  std::list<Connection> connections_;  // the oldest first
  std::thread thread_;
  std::atomic<bool> closing_ = false;
  std::array<std::atomic<std::uint64_t>, kPages.size()> served_{};
  std::atomic<std::uint64_t> other_ = 0;
};

HttpDoor::HttpDoor(Ask ask) : server_(std::make_unique<Server>(std::move(ask))) {}
HttpDoor::~HttpDoor() = default;
Result<void> HttpDoor::open(const Address& address) {
  return server_->open(address);
}
void HttpDoor::close() {
  server_->close();
}
std::map<std::string, std::uint64_t> HttpDoor::requests() const {
  return server_->requests();
}

}  // namespace paxledger::node
