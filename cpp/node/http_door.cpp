#include "node/http_door.hpp"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

namespace paxledger::node {
namespace {

// A connection that says nothing holds a worker for as long as the read timeout.
constexpr std::size_t kWorkers = 4;
constexpr int kTimeoutSeconds = 1;
constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kJson = "application/json";
constexpr const char* kMetrics = "text/plain; version=0.0.4; charset=utf-8";

void answer(httplib::Response& response, int status, const std::string& body, const char* type) {
  response.status = status;
  response.set_content(body, type);
}

}  // namespace

class HttpDoor::Server {
 public:
  explicit Server(Ask ask) : ask_(std::move(ask)) {
    http_.new_task_queue = [] { return new httplib::ThreadPool(kWorkers); };
    http_.set_keep_alive_max_count(1);
    http_.set_read_timeout(kTimeoutSeconds);
    http_.set_write_timeout(kTimeoutSeconds);
    http_.set_payload_max_length(4096);
    // The default sets SO_REUSEPORT, by which two processes could share the port unnoticed.
    http_.set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    add_routes();
  }

  ~Server() { close(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Result<void> open(const Address& address) {
    if (!http_.bind_to_port(address.host, address.port)) {
      return Error{ErrorCode::io, "cannot listen on " + address.text() +
                                      " (http): the port is in use or not allowed"};
    }
    thread_ = std::thread([this] {
      http_.listen_after_bind();
      ended_ = true;
    });
    return {};
  }

  void close() {
    if (!thread_.joinable()) return;
    // stop() before the listener runs would be lost.
    while (!http_.is_running() && !ended_) std::this_thread::yield();
    http_.stop();
    thread_.join();
  }

  [[nodiscard]] std::map<std::string, std::uint64_t> requests() const {
    return {{"/livez", livez_},
            {"/metrics", metrics_},
            {"/readyz", readyz_},
            {"/status", status_},
            {"other", other_}};
  }

 private:
  // Answers with what `render` makes of a report, or 503 if the event loop gives none.
  template <class Render>
  httplib::Server::Handler reporting(std::atomic<std::uint64_t>& count, Render render) {
    return [this, &count, render](const httplib::Request&, httplib::Response& response) {
      ++count;
      if (const auto report = ask_()) {
        render(*report, response);
      } else {
        answer(response, 503, "the event loop does not answer\n", kText);
      }
    };
  }

  void add_routes() {
    http_.Get("/livez", reporting(livez_, [](const Report&, httplib::Response& response) {
                answer(response, 200, "ok\n", kText);
              }));
    http_.Get("/readyz", reporting(readyz_, [](const Report& report, httplib::Response& response) {
                const auto reason = not_ready_because(report);
                answer(response, reason ? 503 : 200, reason.value_or("ok") + "\n", kText);
              }));
    http_.Get("/status", reporting(status_, [](const Report& report, httplib::Response& response) {
                answer(response, 200, status_json(report) + "\n", kJson);
              }));
    http_.Get("/metrics",
              reporting(metrics_, [](const Report& report, httplib::Response& response) {
                answer(response, 200, metrics_text(report), kMetrics);
              }));
    http_.set_error_handler([this](const httplib::Request&, httplib::Response& response) {
      if (response.status != 404) return;
      ++other_;
      response.set_content("not found; there are /livez, /readyz, /status and /metrics\n", kText);
    });
  }

  Ask ask_;
  httplib::Server http_;
  std::thread thread_;
  std::atomic<bool> ended_ = false;
  std::atomic<std::uint64_t> livez_ = 0;
  std::atomic<std::uint64_t> readyz_ = 0;
  std::atomic<std::uint64_t> status_ = 0;
  std::atomic<std::uint64_t> metrics_ = 0;
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
