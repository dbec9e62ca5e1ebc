#include "node/http_door.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace paxledger::node {
namespace {

using std::chrono::seconds;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A loopback port that was free a moment ago.
std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

// A connection to the door. Reading gives up after ten seconds.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_in address = loopback(port);
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  Caller(Caller&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Caller& operator=(Caller&&) = delete;
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() {
    if (socket_ >= 0) ::close(socket_);
  }

  // False if the door has closed the connection.
  [[nodiscard]] bool say(std::string_view text) const {
    return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  // Everything until the door closes.
  [[nodiscard]] std::string hear() const {
    std::string text;
    char buffer[4096];
    for (;;) {
      const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
    }
  }

 private:
  int socket_;
};

class HttpDoorTest : public testing::Test {
 protected:
  HttpDoorTest() { report_->status.leader = NodeId(1); }

  std::string request(const std::string& line) const {
    const Caller caller(address_.port);
    EXPECT_TRUE(caller.say(line + " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    return caller.hear();
  }
  void expect_answer(const std::string& line, int status, const std::string& body) const {
    const std::string text = request(line);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 " + std::to_string(status) + " ")) << line << text;
    const std::size_t head = text.find("\r\n\r\n");
    ASSERT_NE(head, std::string::npos) << line << text;
    EXPECT_EQ(text.substr(head + 4), body) << line;
  }

  const Address address_{"127.0.0.1", free_port()};
  std::optional<Report> report_ = Report{};
  HttpDoor door_{[this] { return report_; }};
};

TEST_F(HttpDoorTest, AnswersItsFourPaths) {
  ASSERT_TRUE(door_.open(address_).ok());
  expect_answer("GET /livez", 200, "ok\n");
  expect_answer("HEAD /livez", 200, "");
  expect_answer("GET /readyz", 200, "ok\n");
  expect_answer("GET /status", 200, status_json(*report_) + "\n");
  expect_answer("GET /metrics", 200, metrics_text(*report_));
  expect_answer("GET /other", 404, "not found; there are /livez, /readyz, /status and /metrics\n");
  const std::string not_found = "not found; there are /livez, /readyz, /status and /metrics\n";
  expect_answer("GET /livez%00x", 404, not_found);  // not cut off
  expect_answer("GET /livez%20", 404, not_found);
  expect_answer("POST /livez", 405, "only GET and HEAD are served\n");
  EXPECT_EQ(door_.requests().at("/livez"), 2u);
  EXPECT_EQ(door_.requests().at("other"), 4u);
}

TEST_F(HttpDoorTest, RefusesWhatIsNoRequestOrTooLong) {
  ASSERT_TRUE(door_.open(address_).ok());
  const std::string much(20'000, 'x');
  EXPECT_TRUE(request("nonsense").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(request("GET /" + much).starts_with("HTTP/1.1 414 "));
  EXPECT_TRUE(request("GET /livez HTTP/1.1\r\nA: " + much).starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(request("GET /livez HTTP/1.1\r\nA: " + much.substr(0, 8192)).ends_with("ok\n"));
}

TEST_F(HttpDoorTest, NeitherWaitsForABodyNorKeepsTheConnection) {
  ASSERT_TRUE(door_.open(address_).ok());
  const auto start = std::chrono::steady_clock::now();
  const std::string head = " /livez HTTP/1.1\r\nContent-Length: 9999999\r\nA: b";
  EXPECT_TRUE(request("GET" + head).ends_with("ok\n"));
  const std::string refused = request("POST" + head);
  EXPECT_NE(refused.find("\r\nAllow: GET, HEAD\r\n"), std::string::npos) << refused;
  EXPECT_NE(refused.find("\r\nConnection: close\r\n"), std::string::npos) << refused;
  EXPECT_LT(std::chrono::steady_clock::now() - start, HttpDoor::kPatience);
}

TEST_F(HttpDoorTest, ReadyzSaysWhyTheNodeDoesNotServe) {
  ASSERT_TRUE(door_.open(address_).ok());
  report_->status.repairing = true;
  report_->status.repair_reason = "block 7 is damaged";
  expect_answer("GET /readyz", 503, "repairing: block 7 is damaged\n");
}

TEST_F(HttpDoorTest, LivezFailsWhenTheEventLoopDoesNotAnswer) {
  report_.reset();
  ASSERT_TRUE(door_.open(address_).ok());
  expect_answer("GET /livez", 503, "the event loop does not answer\n");
}

TEST_F(HttpDoorTest, RefusesAPortThatIsInUseAndNamesIt) {
  ASSERT_TRUE(door_.open(address_).ok());
  HttpDoor second([] { return std::optional<Report>(); });
  const auto opened = second.open(address_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::io);
  EXPECT_NE(opened.error().message.find(address_.text()), std::string::npos);
}

// Who says nothing takes no time from who does.
TEST_F(HttpDoorTest, AnswersBehindManyConnectionsThatSayNothing) {
  ASSERT_TRUE(door_.open(address_).ok());
  std::vector<Caller> silent;
  for (int i = 0; i < 200; ++i) silent.emplace_back(address_.port);
  const auto start = std::chrono::steady_clock::now();
  expect_answer("GET /livez", 200, "ok\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(1));
  for (const Caller& each : silent) EXPECT_EQ(each.hear(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5 * HttpDoor::kPatience) << "none is kept";
}

// Or else who speaks a little now and then would keep all places, as it is never silent for long.
TEST_F(HttpDoorTest, TheOldestConnectionGivesWayToTheNewest) {
  ASSERT_TRUE(door_.open(address_).ok());
  const auto start = std::chrono::steady_clock::now();
  std::vector<Caller> slow;
  for (unsigned i = 0; i < 2 * HttpDoor::kConnectionsMax; ++i) {
    slow.emplace_back(address_.port);
    EXPECT_TRUE(slow.back().say("GET /livez HTTP/1.1\r\nA: b"));
  }
  expect_answer("GET /livez", 200, "ok\n");
  EXPECT_EQ(slow.front().hear(), "");
  EXPECT_TRUE(slow.back().say("\r\n\r\n"));
  EXPECT_TRUE(slow.back().hear().ends_with("ok\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, HttpDoor::kPatience) << "not by its silence";
}

TEST_F(HttpDoorTest, ClosesWhoeverIsConnected) {
  ASSERT_TRUE(door_.open(address_).ok());
  const Caller silent(address_.port);
  const Caller slow(address_.port);
  EXPECT_TRUE(slow.say("GET /livez HTTP/1.1\r\n"));
  expect_answer("GET /livez", 200, "ok\n");
  const auto start = std::chrono::steady_clock::now();
  door_.close();
  EXPECT_EQ(silent.hear() + slow.hear(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(1));
  EXPECT_TRUE(door_.open(address_).ok()) << "the port is free again";
}

// Otherwise each of them would wait until the event loop has not answered all before it.
TEST_F(HttpDoorTest, AsksAnEventLoopThatDoesNotAnswerOnceForAllWhoWait) {
  std::promise<void> never;
  std::atomic<int> asked = 0;
  HttpDoor door([&, answer = never.get_future().share()]() -> std::optional<Report> {
    ++asked;
    answer.wait_for(std::chrono::milliseconds(500));
    return std::nullopt;
  });
  ASSERT_TRUE(door.open(address_).ok());
  std::vector<Caller> callers;
  for (int i = 0; i < 40; ++i) {
    callers.emplace_back(address_.port);
    EXPECT_TRUE(callers.back().say("GET /livez HTTP/1.1\r\n\r\n"));
  }
  for (const Caller& each : callers) EXPECT_TRUE(each.hear().starts_with("HTTP/1.1 503 "));
  EXPECT_LT(asked, 10);
}

TEST_F(HttpDoorTest, SaysWhatIsAndNotWhatWas) {
  std::atomic<std::uint64_t> waiting = 0;
  HttpDoor door([&]() -> std::optional<Report> {
    Report report;
    report.client_requests = waiting;
    return report;
  });
  ASSERT_TRUE(door.open(address_).ok());
  for (; waiting < 20; ++waiting) {
    const std::string expected = "\npaxledger_client_requests " + std::to_string(waiting) + "\n";
    EXPECT_NE(request("GET /metrics").find(expected), std::string::npos) << expected;
  }
}

}  // namespace
}  // namespace paxledger::node
