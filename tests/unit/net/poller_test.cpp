#include "net/poller.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "net/context.hpp"
#include "net/wakeup.hpp"
#include "unit/net/sockets.hpp"

namespace paxledger::net {
namespace {

using namespace std::chrono_literals;
using test::Stranger;
using Got = FrameReader::Got;

// Much longer than any message takes: a wait() that lasts so long slept through one.
constexpr Duration kLong = 10s;

bool signalled(int descriptor, int timeout_ms = 0) {
  pollfd item{descriptor, POLLIN, 0};
  return ::poll(&item, 1, timeout_ms) == 1;
}

PolledSocket bound_router(Context& context) {
  zmq::socket_t router = *context.open(zmq::socket_type::router, {});
  EXPECT_TRUE(bind(router, "tcp://127.0.0.1:0").ok());
  return PolledSocket(std::move(router));
}

class Polling : public testing::Test {
 protected:
  Polling()
      : context_(*Context::create()),
        socket_(bound_router(context_)),
        stranger_(bound_endpoint(socket_.raw())) {
    poller_.add(socket_);
  }

  // Waits for one message and reads it; its text, and nothing after kLong.
  std::string next() {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (std::chrono::steady_clock::now() < end) {
      poller_.wait(kLong);
      if (!poller_.readable(0)) return {};
      if (socket_.read(reader_) != Got::message) continue;
      sender_ = reader_.frame(0).to_string();
      return reader_.frame(1).to_string();
    }
    return {};
  }

  void read_until_nothing() {
    while (socket_.read(reader_) != Got::nothing) {
    }
  }

  Context context_;
  PolledSocket socket_;
  Stranger stranger_;
  FrameReader reader_;
  Poller poller_;
  std::string sender_;
};

TEST_F(Polling, WakesForAMessageThatCameBetweenReadingAndSleeping) {
  for (int i = 0; i < 100; ++i) {
    read_until_nothing();
    stranger_.say({std::to_string(i)});
    // With and without the time in which it comes in before the thread sleeps.
    if (i % 2 == 0) {
      ASSERT_TRUE(signalled(socket_.descriptor(), 10'000));
    }
    ASSERT_EQ(next(), std::to_string(i));
  }
}

TEST_F(Polling, WakesForAMessageWhoseSignalASendTook) {
  stranger_.say({"first"});
  ASSERT_EQ(next(), "first");
  read_until_nothing();
  stranger_.say({"second"});
  ASSERT_TRUE(signalled(socket_.descriptor(), 10'000));
  // libzmq does not work off its news with every send, only with one in about a millisecond.
  ASSERT_TRUE(test::eventually([&] {
    EXPECT_EQ(socket_.send(sender_, "answer"), Sent::yes);
    return !signalled(socket_.descriptor());
  })) << "this test wants a send that takes the signal";
  EXPECT_EQ(next(), "second");
}

TEST_F(Polling, WakesForWhatWasLeftUnread) {
  stranger_.say({"a"});
  stranger_.say({"b"});
  stranger_.say({"c"});
  EXPECT_EQ(next(), "a");
  EXPECT_EQ(next(), "b");
  EXPECT_EQ(next(), "c");
}

TEST_F(Polling, SleepsAsLongAsItWasToldWhereNothingComes) {
  // The news of a connection is a signal too. It comes before the first message.
  stranger_.say({"a"});
  ASSERT_EQ(next(), "a");
  read_until_nothing();
  const auto start = std::chrono::steady_clock::now();
  poller_.wait(2500us);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 2500us);
  EXPECT_FALSE(poller_.readable(0));
  poller_.wait(-1s);
  EXPECT_FALSE(poller_.readable(0)) << "a deadline that is over is no reason to sleep";
}

TEST_F(Polling, TellsOfADescriptorBesideAnUnreadSocket) {
  const Wakeup wakeup = *Wakeup::create();
  poller_.add(wakeup.fd());
  stranger_.say({"a"});
  stranger_.say({"b"});
  ASSERT_EQ(next(), "a");
  wakeup.wake();
  poller_.wait(std::nullopt);
  EXPECT_TRUE(poller_.readable(1));
  wakeup.clear();
  ASSERT_EQ(next(), "b");
  EXPECT_FALSE(poller_.readable(1));
}

TEST_F(Polling, WakesWhenASocketCanSendAtLast) {
  zmq::socket_t dealer = *context_.open(zmq::socket_type::dealer, {});
  ASSERT_TRUE(connect(dealer, bound_endpoint(socket_.raw())).ok());
  PolledSocket sender(std::move(dealer));
  poller_.clear();
  poller_.add(sender);
  // The connection is made in the background, so it may also be there by now.
  while (!sender.is_writable()) {
    poller_.wait(kLong);
    ASSERT_TRUE(poller_.readable(0));
  }
  EXPECT_EQ(sender.send({}, "hello"), Sent::yes);
}

TEST_F(Polling, ReturnsAfterASignalWithNothingReadable) {
  struct sigaction ignore {};
  ignore.sa_handler = [](int) {};
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &ignore, &before), 0);
  const Wakeup wakeup = *Wakeup::create();
  poller_.clear();
  poller_.add(wakeup.fd());
  wakeup.wake();
  poller_.wait(std::nullopt);
  ASSERT_TRUE(poller_.readable(0));
  wakeup.clear();

  std::atomic<bool> woke = false;
  const pthread_t sleeper = ::pthread_self();
  std::thread signaller([&] {
    while (!woke) ::pthread_kill(sleeper, SIGUSR1);
  });
  poller_.wait(std::nullopt);
  woke = true;
  signaller.join();
  EXPECT_FALSE(poller_.readable(0));
  ::sigaction(SIGUSR1, &before, nullptr);
}

// The reader leaves messages unread, sends in between, and sleeps whenever the socket lets it.
TEST_F(Polling, LosesNothingUnderLoad) {
  constexpr int kMessages = 20'000;
  stranger_.say({"begin"});
  ASSERT_EQ(next(), "begin");
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; i < kMessages && !stop; ++i) stranger_.say({std::to_string(i)});
  });
  int taken = 0;
  while (taken < kMessages) {
    poller_.wait(kLong);
    if (!poller_.readable(0)) break;
    for (int i = 0; i <= taken % 5; ++i) {
      if (socket_.read(reader_) != Got::message) break;
      EXPECT_EQ(reader_.frame(1).to_string(), std::to_string(taken));
      ++taken;
      if (taken % 3 == 0) static_cast<void>(socket_.send(sender_, "answer"));
    }
  }
  EXPECT_EQ(taken, kMessages) << "it slept through a message";
  stop = true;
  read_until_nothing();
  writer.join();
}

}  // namespace
}  // namespace paxledger::net
