#include "node/http_door.hpp"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "node/clock.hpp"

namespace paxledger::node {
namespace {

// Connections that the library may have beyond kConnectionsMax. It accepts eleven before it looks
// at those that were ended meanwhile.
constexpr unsigned kConnectionsSpare = 64;
// What a connection may hold of a request and of the headers of its response.
constexpr std::size_t kConnectionBytesMax = 16 << 10;

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kJson = "application/json";
constexpr const char* kMetrics = "text/plain; version=0.0.4; charset=utf-8";

struct Answer {
  unsigned status = 200;
  const char* content_type = kText;
  std::string body;
};

struct Page {
  const char* path;
  Answer (*render)(const Report& report);
};
Answer livez(const Report& /*report*/) {
  return {200, kText, "ok\n"};
}
Answer readyz(const Report& report) {
  const auto reason = not_ready_because(report);
  return {reason ? 503U : 200U, kText, reason.value_or("ok") + "\n"};
}
Answer status(const Report& report) {
  return {200, kJson, status_json(report) + "\n"};
}
Answer metrics(const Report& report) {
  return {200, kMetrics, metrics_text(report)};
}
constexpr std::array<Page, 4> kPages{
    {{"/livez", livez}, {"/metrics", metrics}, {"/readyz", readyz}, {"/status", status}}};

MHD_Result send(MHD_Connection* connection, const Answer& answer) {
  // The library copies the body and leaves it alone, although its signature does not say so.
  const std::unique_ptr<MHD_Response, decltype(&MHD_destroy_response)> response(
      MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                      MHD_RESPMEM_MUST_COPY),
      &MHD_destroy_response);
  const auto add = [&](const char* name, const char* value) {
    return MHD_add_response_header(response.get(), name, value) == MHD_YES;
  };
  if (!response || !add(MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type) ||
      !add(MHD_HTTP_HEADER_CONNECTION, "close")) {
    return MHD_NO;
  }
  if (answer.status == 405 && !add(MHD_HTTP_HEADER_ALLOW, "GET, HEAD")) {
    return MHD_NO;
  }
  return MHD_queue_response(connection, answer.status, response.get());
}

}  // namespace

// Its callbacks run in the library's thread, one at a time.
class HttpDoor::Server {
 public:
  explicit Server(Ask ask) : ask_(std::move(ask)) { open_.reserve(kConnectionsMax + 1); }

  Result<void> open(const Address& address) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(address.port);
    if (::inet_pton(AF_INET, address.host.c_str(), &name.sin_addr) == 1) {
      daemon_.reset(MHD_start_daemon(
          MHD_USE_EPOLL_INTERNAL_THREAD, address.port, nullptr, nullptr, &on_request, this,
          MHD_OPTION_SOCK_ADDR, reinterpret_cast<const sockaddr*>(&name),
          MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax + kConnectionsSpare,
          MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(kPatience.count()),
          MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytesMax, MHD_OPTION_UNESCAPE_CALLBACK,
          &leave_escaped, nullptr, MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this,
          MHD_OPTION_END));
    }
    if (daemon_) return {};
    return Error{ErrorCode::io, "cannot listen on " + address.text() +
                                    " (http): the port is in use or not allowed"};
  }

  void close() { daemon_.reset(); }

  [[nodiscard]] std::map<std::string, std::uint64_t> requests() const {
    std::map<std::string, std::uint64_t> counts{{"other", other_}};
    for (std::size_t i = 0; i < kPages.size(); ++i) counts.emplace(kPages[i].path, served_[i]);
    return counts;
  }

 private:
  // Called once the headers are there. An answer at this point refuses what would follow them.
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* path,
                               const char* method, const char* /*version*/, const char* /*body*/,
                               std::size_t* /*body_size*/, void** /*context*/) noexcept {
    try {
      return send(connection, static_cast<Server*>(self)->answer(path, method));
    } catch (...) {
      return MHD_NO;  // ends the connection
    }
  }

  // The library would end a path at an escaped NUL. None of the paths here needs escapes.
  static std::size_t leave_escaped(void* /*context*/, MHD_Connection* /*connection*/,
                                   char* text) noexcept {
    return std::strlen(text);
  }

  // The library's time limit counts anew with every octet, so that who speaks slowly would keep a
  // place for ever; and at its limit of connections it lets all others wait.
  static void on_connection(void* self, MHD_Connection* connection, void** /*context*/,
                            MHD_ConnectionNotificationCode code) noexcept {
    std::vector<int>& open = static_cast<Server*>(self)->open_;
    const int socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
      std::erase(open, socket);
      return;
    }
    open.push_back(socket);
    if (open.size() <= kConnectionsMax) return;
    ::shutdown(open.front(), SHUT_RDWR);  // the library sees its end, and closes it
    open.erase(open.begin());
  }

  Answer answer(std::string_view path, std::string_view method) {
    const auto* page = std::find_if(kPages.begin(), kPages.end(),
                                    [&](const Page& each) { return path == each.path; });
    if (page == kPages.end()) {
      ++other_;
      return {404, kText, "not found; there are /livez, /readyz, /status and /metrics\n"};
    }
    if (method != "GET" && method != "HEAD") {
      ++other_;
      return {405, kText, "only GET and HEAD are served\n"};
    }
    ++served_[static_cast<std::size_t>(page - kPages.begin())];
    if (const auto& current = report()) return page->render(*current);
    return {503, kText, "the event loop does not answer\n"};
  }

  // A report, or that there is none, serves for a tenth of the time that the question took: long
  // enough for all who waited meanwhile, and too short for what a caller did since to be missing.
  const std::optional<Report>& report() {
    const Instant asked = monotonic_now();
    if (asked >= report_until_) {
      report_ = ask_();
      const Instant answered = monotonic_now();
      report_until_ = answered + (answered - asked) / 10;
    }
    return report_;
  }

  Ask ask_;
  std::optional<Report> report_;
  Instant report_until_;
  std::vector<int> open_;  // sockets of connections, the oldest first
  std::array<std::atomic<std::uint64_t>, kPages.size()> served_{};
  std::atomic<std::uint64_t> other_ = 0;
  // Last, so that its thread ends before what it uses.
  std::unique_ptr<MHD_Daemon, decltype(&MHD_stop_daemon)> daemon_{nullptr, &MHD_stop_daemon};
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
