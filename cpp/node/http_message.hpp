// The little of HTTP/1.1 (RFC 9112) that a few paths which are only read need: no bodies of
// requests, one request per connection.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace paxledger::node {

// A request's line and headers together may be this long.
inline constexpr std::size_t kHttpHeadBytesMax = 8192;

struct HttpRequest {
  std::string method;
  std::string path;  // without what follows a '?'

  bool operator==(const HttpRequest&) const = default;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;
  std::string body;
};

struct HttpHead {
  enum class State { incomplete, request, malformed, too_long } state = State::incomplete;
  HttpRequest request;  // if that is the state
};
// What stands at the beginning of `octets`, which is all that a connection has said so far.
// Headers are read over: nothing that is served depends on them.
[[nodiscard]] HttpHead read_http_head(std::string_view octets);

// The response as it travels; without its body in answer to HEAD.
[[nodiscard]] std::string encode_http(const HttpResponse& response, bool with_body);

}  // namespace paxledger::node
