#include "client/client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "unit/client/fake_node.hpp"

namespace paxledger::client {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<Client> connect(std::vector<std::string> endpoints,
                                Duration attempt_timeout = milliseconds(100),
                                std::size_t outstanding_max = 4096) {
  Options options;
  options.endpoints = std::move(endpoints);
  options.deadline = std::chrono::seconds(5);
  options.attempt_timeout = attempt_timeout;
  options.outstanding_max = outstanding_max;
  auto client = Client::connect(std::move(options));
  EXPECT_TRUE(client.ok());
  return std::move(*client);
}

// An endpoint on which nobody listens.
std::string closed_endpoint() {
  FakeNode node(FakeNode::silent());
  return node.endpoint();
}

CallOptions within(milliseconds deadline) {
  CallOptions call;
  call.deadline = deadline;
  return call;
}

// A node that opens sessions and never says anything else.
FakeNode::Behaviour opens_sessions_only() {
  return [](const wire::ClientRequest& request) -> std::optional<wire::ClientReply> {
    const auto* execute = std::get_if<wire::ExecuteRequest>(&request);
    const auto command = kv::parse_command(execute->command.view());
    if (command->kind != kv::CommandKind::open_session) return std::nullopt;
    return FakeNode::always(ErrorCode::ok)(request);
  };
}

TEST(Client, WritesAndReads) {
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({node.endpoint()});
  EXPECT_TRUE(db->put("key", "value").get().ok());
  EXPECT_TRUE(db->get("key").get().ok());
  EXPECT_TRUE(db->get("key", ReadMode::ledger).get().ok());
  EXPECT_TRUE(db->remove("key").get().ok());
  EXPECT_EQ(db->compare_and_put("key", Revision(3), "v").get().revision, Revision(1));
  const auto commands = node.commands();
  ASSERT_EQ(commands.size(), 5u) << "a session, a put, a read, a remove, a compare-and-put";
  EXPECT_EQ(kv::parse_command(commands[4])->argument, 3u);
}

TEST(Client, RefusesWhatCanNeverWorkBeforeItIsSent) {
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({node.endpoint()});
  EXPECT_EQ(db->put("", "v").get().code, ErrorCode::bad_request);
  EXPECT_EQ(db->put(std::string(4097, 'k'), "v").get().code, ErrorCode::too_large);
  EXPECT_EQ(db->put("k", std::string((1 << 20) + 1, 'v')).get().code, ErrorCode::too_large);
  EXPECT_TRUE(db->put(std::string(4096, 'k'), std::string(1 << 20, 'v')).get().ok());
  EXPECT_EQ(db->scan("", ReadMode::ledger).get().error().code, ErrorCode::bad_request);
}

TEST(Client, RefusesBadOptions) {
  Options options;
  EXPECT_FALSE(Client::connect(options).ok());
  for (const char* endpoint : {"",
                               "127.0.0.1:1",
                               "tcp://",
                               "tcp://host",
                               "tcp://host:",
                               "tcp://:1",
                               "tcp://host:x",
                               "http://host:1",
                               "tcp://host:0",
                               "tcp://host:65536",
                               "tcp://host:99999999999999999999",
                               "tcp://host:-1",
                               "tcp://host:1 ",
                               " tcp://host:1",
                               "tcp://*:1",
                               "tcp://:0;host:1",
                               "tcp://ho st:1",
                               "tcp://[]:1",
                               "tcp://::1:1",
                               "tcp://host/:1",
                               "tcp://host:1:1"}) {
    options.endpoints = {endpoint};
    EXPECT_FALSE(Client::connect(options).ok()) << endpoint;
  }
  for (const char* endpoint : {"tcp://host:1", "tcp://a-b.example_c:65535", "tcp://127.0.0.1:7101",
                               "tcp://[::1]:7101", "tcp://[fe80::1%eth0]:7101"}) {
    options.endpoints = {endpoint};
    EXPECT_TRUE(Client::connect(options).ok()) << endpoint;
  }
}

TEST(Client, GoesToTheNextNodeWhenNobodyListens) {
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({closed_endpoint(), node.endpoint()}, std::chrono::seconds(4));
  EXPECT_TRUE(db->put("k", "v").get().ok()) << "a refused connection is noticed at once";
}

TEST(Client, GoesToTheNextNodeWhenOneIsSilentAndKeepsSessionAndSequence) {
  FakeNode silent(opens_sessions_only());
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({silent.endpoint(), node.endpoint()});
  EXPECT_TRUE(db->put("k", "v").get().ok());
  ASSERT_EQ(silent.commands().size(), 2u);
  ASSERT_EQ(node.commands().size(), 1u);
  EXPECT_EQ(silent.commands()[1], node.commands()[0]);
  EXPECT_EQ(db->counters().sessions_opened, 1u);
}

TEST(Client, GoesOnWhenItsNodeDies) {
  auto first = std::make_unique<FakeNode>(FakeNode::always(ErrorCode::ok));
  FakeNode second(FakeNode::always(ErrorCode::ok));
  auto db = connect({first->endpoint(), second.endpoint()}, std::chrono::seconds(4));
  EXPECT_TRUE(db->put("k", "1").get().ok());
  first.reset();
  EXPECT_TRUE(db->put("k", "2").get().ok());
}

TEST(Client, EndsAWriteWithoutAnAnswerByItsDeadlineAsUnknown) {
  FakeNode node(opens_sessions_only());
  auto db = connect({node.endpoint()});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(db->put("k", "v", within(milliseconds(300))).get().code, ErrorCode::timeout);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(290));
}

TEST(Client, SaysNoQuorumForAWriteThatReachedNobody) {
  auto db = connect({closed_endpoint()});
  EXPECT_EQ(db->put("k", "v", within(milliseconds(200))).get().code, ErrorCode::no_quorum);
  CallOptions fixed;
  fixed.endpoint = 0;
  EXPECT_EQ(db->admin("status", {}, fixed).get().code, ErrorCode::io);
  fixed.endpoint = 1;
  EXPECT_EQ(db->admin("status", {}, fixed).get().code, ErrorCode::bad_request);
}

TEST(Client, SaysOverloadedBeyondItsBound) {
  FakeNode node(FakeNode::silent());
  auto db = connect({node.endpoint()}, milliseconds(100), 2);
  auto a = db->get("a");
  auto b = db->get("b");
  EXPECT_EQ(db->get("c").get().code, ErrorCode::overloaded);
  db->close();
  EXPECT_EQ(a.get().code, ErrorCode::shutting_down);
}

TEST(Client, ClosingEndsEverythingUnderWay) {
  FakeNode node(FakeNode::silent());
  auto db = connect({node.endpoint()});
  std::vector<std::future<Outcome>> pending;
  for (int i = 0; i < 100; ++i) {
    pending.push_back(i % 2 == 0 ? db->put("k", "v") : db->get("k"));
  }
  auto scan = db->scan("");
  db->close();
  for (auto& call : pending) EXPECT_EQ(call.get().code, ErrorCode::shutting_down);
  EXPECT_EQ(scan.get().error().code, ErrorCode::shutting_down);
  EXPECT_EQ(db->put("k", "v").get().code, ErrorCode::shutting_down);
  db->close();
}

// A client that has a session to take back.
std::unique_ptr<Client> connect_with_session(const FakeNode& node) {
  auto db = connect({node.endpoint()});
  EXPECT_EQ(db->put("k", "v", within(milliseconds(100))).get().code, ErrorCode::timeout);
  return db;
}

TEST(Client, ManyThatBeginToCloseTogetherWaitTogether) {
  FakeNode node(opens_sessions_only());
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < 8; ++i) all.push_back(connect_with_session(node));
  const auto begin = std::chrono::steady_clock::now();
  for (auto& each : all) each->begin_close();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(100)) << "it waits for nothing";
  EXPECT_FALSE(all[0]->wait_closed(begin)) << "the farewell is not answered";
  EXPECT_EQ(all[0]->put("k", "v").get().code, ErrorCode::shutting_down);
  for (auto& each : all) each->close();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(1000)) << "8 times 250 ms";
  EXPECT_TRUE(all[0]->wait_closed(begin));
}

TEST(Client, AnAbandonedOneWaitsForNoFarewell) {
  FakeNode node(opens_sessions_only());
  auto db = connect_with_session(node);
  const auto begin = std::chrono::steady_clock::now();
  db->abandon();
  db->close();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(200));
}

TEST(Client, CallbacksMayCallAgain) {
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({node.endpoint()});
  std::promise<void> finished;
  std::atomic<int> left = 1000;
  std::function<void(Outcome)> again = [&](const Outcome& outcome) {
    EXPECT_TRUE(outcome.ok());
    if (--left == 0) {
      finished.set_value();
    } else {
      db->put("k", "v", {}, again);
    }
  };
  db->put("k", "v", {}, again);
  finished.get_future().get();
}

TEST(Client, ManyThreadsShareOneSession) {
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({node.endpoint()});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) EXPECT_TRUE(db->put("k", "v").get().ok());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(db->counters().sessions_opened, 1u);
}

TEST(Client, CallsThatWaitTogetherTravelTogether) {
  FakeNode node(FakeNode::always(ErrorCode::ok));
  auto db = connect({node.endpoint()});
  ASSERT_TRUE(db->get("first").get().ok());
  const std::size_t before = node.packets();
  std::promise<void> release;
  // The I/O thread is held in a callback while the calls are made, so that they wait together.
  std::promise<void> held;
  db->get("hold", ReadMode::linearizable, {}, [&](const Outcome&) {
    held.set_value();
    release.get_future().get();
  });
  held.get_future().get();
  std::vector<std::future<Outcome>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(db->get("k"));
  release.set_value();
  for (auto& call : calls) EXPECT_TRUE(call.get().ok());
  EXPECT_EQ(node.packets() - before, 2u);
}

std::optional<wire::ClientReply> three_pages(const wire::ClientRequest& request) {
  const auto& scan = std::get<wire::ScanRequest>(request);
  const std::string after(scan.after.view());
  wire::ScanReply page;
  page.id = scan.id;
  page.height = Height(5);
  const std::string next = after.empty() ? "a" : after == "a" ? "b" : "c";
  page.items.push_back({SharedBytes::copy_of(next), SharedBytes::copy_of("v" + next), Revision(1)});
  page.more = next != "c";
  return page;
}

TEST(Client, ScansPageAfterPage) {
  FakeNode node(three_pages);
  auto db = connect({node.endpoint()});
  const auto result = db->scan("").get();
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->items.size(), 3u);
  EXPECT_EQ(result->items[2].key.view(), "c");
  EXPECT_EQ(result->pages, 3u);
  EXPECT_EQ(result->height, Height(5));
}

TEST(Client, AScanIsCompleteOrAnError) {
  FakeNode node([](const wire::ClientRequest& request) -> std::optional<wire::ClientReply> {
    const auto& scan = std::get<wire::ScanRequest>(request);
    if (scan.after.view() == "b") return FakeNode::always(ErrorCode::unauthorized)(request);
    return three_pages(request);
  });
  auto db = connect({node.endpoint()});
  const auto result = db->scan("").get();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::unauthorized);
}

TEST(Client, AnAnswerOfAWrongKindIsAnError) {
  FakeNode node([](const wire::ClientRequest& request) -> std::optional<wire::ClientReply> {
    wire::ScanReply page;
    page.id = wire::id_of(request);
    return page;
  });
  auto db = connect({node.endpoint()});
  EXPECT_EQ(db->get("k").get().code, ErrorCode::bad_request);
  EXPECT_EQ(db->chain(Height(1)).get().error().code, ErrorCode::bad_request);
}

TEST(Client, SurvivesRepliesThatAreGarbage) {
  zmq::context_t context;
  zmq::socket_t router(context, zmq::socket_type::router);
  router.set(zmq::sockopt::linger, 0);
  router.bind("tcp://127.0.0.1:*");
  FakeNode good(FakeNode::always(ErrorCode::ok));
  auto db = connect({router.get(zmq::sockopt::last_endpoint), good.endpoint()});
  auto call = db->get("k");
  zmq::message_t id;
  zmq::message_t frame;
  (void)router.recv(id);
  (void)router.recv(frame);
  router.send(id, zmq::send_flags::sndmore);
  router.send(zmq::str_buffer("garbage"), zmq::send_flags::none);
  EXPECT_TRUE(call.get().ok()) << "the other node is asked";
  EXPECT_EQ(db->counters().malformed_replies, 1u);
}

}  // namespace
}  // namespace paxledger::client
