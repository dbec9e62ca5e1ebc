#include "net/client_listener.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "unit/net/sockets.hpp"

namespace paxledger::net {
namespace {

using namespace std::chrono_literals;
using test::Stranger;

class Listening : public testing::Test {
 protected:
  Listening()
      : context_(*Context::create()),
        listener_(*ClientListener::open(context_, "tcp://127.0.0.1:0")) {}

  Result<std::optional<ClientFrame>> next() {
    EXPECT_TRUE(test::wait_readable(listener_.pollable()));
    return listener_.receive();
  }

  Context context_;
  ClientListener listener_;
};

TEST_F(Listening, AnswersTheOneWhoAsked) {
  Stranger one(listener_.endpoint());
  Stranger two(listener_.endpoint());
  one.say({"from one"});
  const auto first = next();
  two.say({"from two"});
  const auto second = next();
  ASSERT_TRUE(first.ok() && first->has_value() && second.ok() && second->has_value());
  EXPECT_EQ((*first)->payload.view(), "from one");
  EXPECT_EQ((*second)->payload.view(), "from two");
  EXPECT_NE((*first)->connection, (*second)->connection);
  EXPECT_EQ(listener_.connections(), 2U);

  EXPECT_TRUE(listener_.send((*second)->connection, "to two"));
  EXPECT_TRUE(listener_.send((*first)->connection, "to one"));
  EXPECT_EQ(one.hear(), "to one");
  EXPECT_EQ(two.hear(), "to two");
}

TEST_F(Listening, KnowsAConnectionAgain) {
  Stranger client(listener_.endpoint());
  client.say({"a"});
  client.say({"b"});
  const auto first = next();
  const auto second = next();
  EXPECT_EQ((*first)->connection, (*second)->connection);
}

TEST_F(Listening, CountsRepliesToThoseWhoAreGone) {
  auto client = std::make_unique<Stranger>(listener_.endpoint());
  client->say({"a"});
  const auto frame = next();
  client.reset();
  EXPECT_TRUE(test::eventually([&] { return !listener_.send((*frame)->connection, "late"); }));
  EXPECT_EQ(listener_.drops_out().of(DropReason::not_connected), 1U);
  EXPECT_EQ(listener_.connections(), 0U);
  EXPECT_FALSE(listener_.send((*frame)->connection, "later"));
  EXPECT_FALSE(listener_.send(ConnectionId(999), "never"));
  EXPECT_EQ(listener_.drops_out().of(DropReason::not_connected), 3U);
}

TEST_F(Listening, DropsForAClientThatDoesNotReadItsReplies) {
  Stranger client(listener_.endpoint(), 1);
  client.say({"a"});
  const auto frame = next();
  for (int i = 0; i < 20'000 && listener_.drops_out().total() == 0; ++i) {
    listener_.send((*frame)->connection, std::string(100'000, 'r'));
  }
  EXPECT_EQ(listener_.drops_out().of(DropReason::queue_full), 1U) << "the queue is bounded";
}

// libzmq counts packets, and 256 of them may have gigabytes.
TEST_F(Listening, BoundsTheOctetsThatAClientLeavesUnread) {
  constexpr std::size_t kPacket = std::size_t{4} << 20;
  Stranger silent(listener_.endpoint(), 1);
  Stranger reader(listener_.endpoint());
  silent.say({"a"});
  const auto frame = next();
  reader.say({"b"});
  const auto other = next();
  ASSERT_TRUE(frame.ok() && frame->has_value() && other.ok() && other->has_value());
  const ConnectionId id = (*frame)->connection;
  EXPECT_TRUE(listener_.wants_more(id) && listener_.accepts(id));
  // The system's buffers and the client's take some of them too.
  for (int i = 0; i < 200 && listener_.drops_out().total() == 0; ++i) {
    listener_.send(id, std::string(kPacket, 'r'));
    EXPECT_LT(listener_.queued_bytes(), ClientListener::kReplyBytesMax + 2 * kPacket);
  }
  EXPECT_EQ(listener_.drops_out().of(DropReason::queue_full), 1U);
  EXPECT_TRUE(test::eventually([&] { return !listener_.wants_more(id); }));
  EXPECT_TRUE(listener_.wants_more((*other)->connection)) << "others are served";
  EXPECT_TRUE(listener_.send((*other)->connection, std::string(kPacket, 's')));
  EXPECT_EQ(reader.hear(), std::string(kPacket, 's'));
}

TEST_F(Listening, CountsNoOctetsOfThoseWhoHaveReadOrAreGone) {
  Stranger reader(listener_.endpoint());
  auto silent = std::make_unique<Stranger>(listener_.endpoint(), 1);
  reader.say({"a"});
  const auto frame = next();
  silent->say({"b"});
  const auto other = next();
  ASSERT_TRUE(frame.ok() && frame->has_value() && other.ok() && other->has_value());
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(listener_.send((*frame)->connection, std::string(1 << 20, 'r')));
    EXPECT_EQ(reader.hear().size(), std::size_t{1} << 20) << i;
  }
  while (listener_.send((*other)->connection, std::string(1 << 20, 's'))) continue;
  EXPECT_GT(listener_.queued_bytes(), ClientListener::kReplyBytesMax / 2);
  silent.reset();
  EXPECT_TRUE(test::eventually([&] {
    EXPECT_TRUE(listener_.receive().ok());  // a node looks for packets all the time
    return listener_.queued_bytes() == 0;
  })) << listener_.queued_bytes();
}

TEST_F(Listening, DropsMessagesOfManyFramesAndGoesOn) {
  Stranger client(listener_.endpoint());
  client.say({"two", "frames"});
  EXPECT_FALSE(next().ok());
  client.say(std::vector<std::string>(10'000, "x"));
  EXPECT_FALSE(next().ok());
  EXPECT_EQ(listener_.drops_in().of(DropReason::too_many_frames), 2U);
  client.say({"fine"});
  std::string heard;
  EXPECT_TRUE(test::eventually([&] {
    const auto frame = listener_.receive();
    if (frame.ok() && frame->has_value()) heard = (*frame)->payload.view();
    return !heard.empty();
  }));
  EXPECT_EQ(heard, "fine");
  EXPECT_EQ(listener_.drops_in().total(), 2U) << "each is counted once";
}

TEST_F(Listening, OutlivesAFrameThatIsTooLarge) {
  Stranger rude(listener_.endpoint());
  rude.say({std::string(ClientListener::kFrameBytesMax + 1, 'x')});
  Stranger polite(listener_.endpoint());
  polite.say({"hello"});
  EXPECT_EQ((*next())->payload.view(), "hello");
}

TEST(ClientListener, RefusesToLeaveTheMachine) {
  auto context = Context::create();
  EXPECT_FALSE(ClientListener::open(*context, "tcp://*:7101").ok());
}

}  // namespace
}  // namespace paxledger::net
