#include "node/http_message.hpp"

#include <gtest/gtest.h>

namespace paxledger::node {
namespace {

using State = HttpHead::State;

TEST(HttpHead, IsARequestOnceItsEmptyLineHasCome) {
  const std::string text = "GET /status?pretty=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_EQ(read_http_head(text.substr(0, length)).state, State::incomplete) << length;
  }
  const HttpHead head = read_http_head(text + "what comes behind it");
  EXPECT_EQ(head.state, State::request);
  EXPECT_EQ(head.request, (HttpRequest{"GET", "/status"}));
  EXPECT_EQ(read_http_head("HEAD /livez HTTP/1.0\r\n\r\n").state, State::request);
}

TEST(HttpHead, IsMalformedUnlessItBeginsWithARequestLine) {
  for (const char* text : {"", " ", "GET", "GET /livez", "GET  HTTP/1.1", "GET livez HTTP/1.1",
                           "get /livez HTTP/1.1", "GET /livez HTTP/2.0", "GET /a /b HTTP/1.1",
                           " /livez HTTP/1.1", "GET /livez HTTP/1.1 ", "\x01\x02\xff"}) {
    EXPECT_EQ(read_http_head(std::string(text) + "\r\n\r\n").state, State::malformed) << text;
  }
}

TEST(HttpHead, IsTooLongPastItsLimitWhetherItEndsOrNot) {
  const std::string line = "GET /livez HTTP/1.1\r\n";
  const std::string longest = line + std::string(kHttpHeadBytesMax - line.size(), 'x');
  EXPECT_EQ(read_http_head(longest).state, State::incomplete);
  EXPECT_EQ(read_http_head(longest + "\r\n\r\n").state, State::request);
  EXPECT_EQ(read_http_head(longest + "x").state, State::too_long);
  EXPECT_EQ(read_http_head(longest + "x\r\n\r\n").state, State::too_long);
}

TEST(HttpResponse, SaysItsLengthAndThatTheConnectionEnds) {
  const HttpResponse response{503, "text/plain", "no\n"};
  const std::string head =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
      "Connection: close\r\n\r\n";
  EXPECT_EQ(encode_http(response, true), head + "no\n");
  EXPECT_EQ(encode_http(response, false), head);
}

}  // namespace
}  // namespace paxledger::node
