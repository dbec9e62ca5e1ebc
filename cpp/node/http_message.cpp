#include "node/http_message.hpp"

#include <algorithm>

namespace paxledger::node {
namespace {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "";
  }
}

// request-line = method SP request-target SP HTTP-version
std::optional<HttpRequest> read_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const bool is_word = !method.empty() && std::all_of(method.begin(), method.end(),
                                                      [](char c) { return c >= 'A' && c <= 'Z'; });
  const bool is_path = target.starts_with('/') && target.find(' ') == std::string_view::npos;
  if (!is_word || !is_path || (version != "HTTP/1.1" && version != "HTTP/1.0")) return std::nullopt;
  return HttpRequest{std::string(method), std::string(target.substr(0, target.find('?')))};
}

}  // namespace

HttpHead read_http_head(std::string_view octets) {
  using State = HttpHead::State;
  const std::size_t end = octets.find("\r\n\r\n");
  if (std::min(end, octets.size()) > kHttpHeadBytesMax) return {State::too_long, {}};
  if (end == std::string_view::npos) return {};
  auto request = read_line(octets.substr(0, octets.find("\r\n")));
  if (!request) return {State::malformed, {}};
  return {State::request, std::move(*request)};
}

std::string encode_http(const HttpResponse& response, bool with_body) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
  text += reason_phrase(response.status);
  text += "\r\nContent-Type: " + response.content_type;
  text += "\r\nContent-Length: " + std::to_string(response.body.size());
  if (response.status == 405) text += "\r\nAllow: GET, HEAD";
  text += "\r\nConnection: close\r\n\r\n";
  if (with_body) text += response.body;
  return text;
}

}  // namespace paxledger::node
