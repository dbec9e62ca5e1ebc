#include "net/context.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paxledger::net {
namespace {

using testing::HasSubstr;

TEST(CheckLoopback, AcceptsThisMachineOnly) {
  for (const char* endpoint :
       {"tcp://127.0.0.1:7101", "tcp://127.3.2.1:1", "tcp://[::1]:7101", "tcp://127.0.0.1:0"}) {
    EXPECT_TRUE(check_loopback(endpoint).ok()) << endpoint;
  }
  for (const char* endpoint :
       {"tcp://0.0.0.0:7101", "tcp://192.168.1.5:7101", "tcp://*:7101", "tcp://[::]:7101",
        "tcp://localhost:7101", "tcp://127.0.0.1", "tcp://127.0.0.1:70000", "tcp://127.0.0.1:x",
        "tcp://127.0.0.1:*", "tcp://127.0.0.1.evil.example:7101", "tcp://128.0.0.1:7101",
        "ipc:///tmp/x", "inproc://x", "udp://127.0.0.1:1", "", "tcp://", "tcp://:7101",
        "tcp://eth0;127.0.0.1:1", "tcp://127.1:7101"}) {
    const auto checked = check_loopback(endpoint);
    ASSERT_FALSE(checked.ok()) << endpoint;
    EXPECT_EQ(checked.error().code, ErrorCode::configuration);
    EXPECT_THAT(checked.error().message, HasSubstr("no keys are configured"));
  }
}

TEST(Context, SaysWhichEndpointIsTaken) {
  auto context = Context::create();
  ASSERT_TRUE(context.ok());
  auto first = context->open(zmq::socket_type::router, {});
  auto second = context->open(zmq::socket_type::router, {});
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(net::bind(*first, "tcp://127.0.0.1:0").ok());
  const std::string endpoint = bound_endpoint(*first);
  const auto bound = net::bind(*second, endpoint);
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, ErrorCode::io);
  EXPECT_THAT(bound.error().message, HasSubstr(endpoint));
}

}  // namespace
}  // namespace paxledger::net
