#include "node/http_door.hpp"

#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace paxledger::node {
namespace {

// A loopback port that was free a moment ago.
std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

class HttpDoorTest : public testing::Test {
 protected:
  HttpDoorTest() { report_->status.leader = NodeId(1); }

  const Address address_{"127.0.0.1", free_port()};
  std::optional<Report> report_ = Report{};
  HttpDoor door_{[this] { return report_; }};
};

TEST_F(HttpDoorTest, AnswersItsFourPaths) {
  ASSERT_TRUE(door_.open(address_).ok());
  httplib::Client client(address_.host, address_.port);
  const auto livez = client.Get("/livez");
  ASSERT_TRUE(livez);
  EXPECT_EQ(livez->status, 200);
  EXPECT_EQ(livez->body, "ok\n");
  const auto status = client.Get("/status");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(status->body, status_json(*report_) + "\n");
  const auto metrics = client.Get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->body, metrics_text(*report_));
  const auto other = client.Get("/other");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->status, 404);
  EXPECT_EQ(door_.requests().at("/livez"), 1u);
  EXPECT_EQ(door_.requests().at("other"), 1u);
}

TEST_F(HttpDoorTest, ReadyzSaysWhyTheNodeDoesNotServe) {
  ASSERT_TRUE(door_.open(address_).ok());
  httplib::Client client(address_.host, address_.port);
  const auto ready = client.Get("/readyz");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 200);
  report_->status.repairing = true;
  report_->status.repair_reason = "block 7 is damaged";
  const auto repairing = client.Get("/readyz");
  ASSERT_TRUE(repairing);
  EXPECT_EQ(repairing->status, 503);
  EXPECT_EQ(repairing->body, "repairing: block 7 is damaged\n");
}

TEST_F(HttpDoorTest, LivezFailsWhenTheEventLoopDoesNotAnswer) {
  report_.reset();
  ASSERT_TRUE(door_.open(address_).ok());
  httplib::Client client(address_.host, address_.port);
  const auto livez = client.Get("/livez");
  ASSERT_TRUE(livez);
  EXPECT_EQ(livez->status, 503);
}

TEST_F(HttpDoorTest, RefusesAPortThatIsInUseAndNamesIt) {
  ASSERT_TRUE(door_.open(address_).ok());
  HttpDoor second([] { return std::optional<Report>(); });
  const auto opened = second.open(address_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::io);
  EXPECT_NE(opened.error().message.find(address_.text()), std::string::npos);
}

}  // namespace
}  // namespace paxledger::node
