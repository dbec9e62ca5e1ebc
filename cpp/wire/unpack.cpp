#include "wire/unpack.hpp"

#include <msgpack.hpp>
#include <utility>

namespace paxledger::wire {

namespace {

// Frames up to this size are never worth a copy of a part of them.
constexpr std::size_t kSmallFrameBytes = 4096;
// A part of a larger frame is shared if it is at least this fraction of the frame.
constexpr std::size_t kSharedFraction = 8;

std::string count_of(std::string_view what, std::uint64_t count) {
  return std::string(what) + " " + std::to_string(count);
}

}  // namespace

// One scalar, or the head of one container. `view` points into the frame.
struct Unpacker::Token {
  enum class Kind : std::uint8_t { none, boolean, number, bytes, text, array, other };
  Kind kind = Kind::none;
  std::uint64_t value = 0;  // the number, the boolean, or the items of the array
  std::string_view view;

  [[nodiscard]] std::string name() const {
    switch (kind) {
      case Kind::none:
        return "octets that are no msgpack, or the end of the frame";
      case Kind::boolean:
        return "a boolean";
      case Kind::number:
        return count_of("the integer", value);
      case Kind::bytes:
        return count_of("a bin of size", view.size());
      case Kind::text:
        return count_of("a str of size", view.size());
      case Kind::array:
        return count_of("an array of length", value);
      case Kind::other:
        return "a value of another type";
    }
    return "nothing known";
  }
};

namespace {

// Takes one scalar out of msgpack's parser, or stops it behind the head of a container, before
// anything is made of the container's declared length.
template <class Token>
struct TokenVisitor : msgpack::null_visitor {
  using Kind = typename Token::Kind;
  Token* token = nullptr;

  bool take(Kind kind, std::uint64_t value = 0, std::string_view view = {}) {
    token->kind = kind;
    token->value = value;
    token->view = view;
    return true;
  }
  bool visit_nil() { return take(Kind::other); }
  bool visit_boolean(bool value) { return take(Kind::boolean, value ? 1 : 0); }
  bool visit_positive_integer(std::uint64_t value) { return take(Kind::number, value); }
  // Signed formats; encoders of some languages use them for positive numbers as well.
  bool visit_negative_integer(std::int64_t value) {
    if (value < 0) return take(Kind::other);
    return take(Kind::number, static_cast<std::uint64_t>(value));
  }
  bool visit_float32(float /*value*/) { return take(Kind::other); }
  bool visit_float64(double /*value*/) { return take(Kind::other); }
  bool visit_str(const char* data, std::uint32_t size) { return take(Kind::text, 0, {data, size}); }
  bool visit_bin(const char* data, std::uint32_t size) {
    return take(Kind::bytes, 0, {data, size});
  }
  bool visit_ext(const char* /*data*/, std::uint32_t /*size*/) { return take(Kind::other); }
  bool start_array(std::uint32_t items) {
    take(Kind::array, items);
    return false;
  }
  bool start_map(std::uint32_t /*items*/) {
    take(Kind::other);
    return false;
  }
};

// Big-endian, as in msgpack. Precondition: at + bytes <= octets.size().
std::uint64_t read_be(std::string_view octets, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value = value << 8 | static_cast<unsigned char>(octets[at + i]);
  }
  return value;
}

// Reads the formats of which packets are made, without setting up msgpack's parser, which takes an
// allocation for each value. Gives the offset behind what was read, or 0, and nothing is read then:
// the octets are in another format, or not whole.
template <class Token>
std::size_t read_common(std::string_view octets, std::size_t at, Token& token) {
  using Kind = typename Token::Kind;
  if (at >= octets.size()) return 0;
  const auto first = static_cast<unsigned char>(octets[at++]);
  const std::size_t left = octets.size() - at;
  // Heads that hold the number or the length themselves.
  if (first <= 0x7f || first == 0xc2 || first == 0xc3) {
    token = {first <= 0x7f ? Kind::number : Kind::boolean, first <= 0x7f ? first : first & 1u, {}};
    return at;
  }
  if (first >= 0x90 && first <= 0x9f) {
    token = {Kind::array, first & 0x0fu, {}};
    return at;
  }
  if (first >= 0xa0 && first <= 0xbf) {
    const std::size_t size = first & 0x1fu;
    if (size > left) return 0;
    token = {Kind::text, 0, octets.substr(at, size)};
    return at + size;
  }
  // Numbers and lengths of 1, 2, 4 or 8 octets behind the head.
  const bool is_number = first >= 0xcc && first <= 0xcf;
  const bool is_bin = first >= 0xc4 && first <= 0xc6;
  const bool is_array = first == 0xdc || first == 0xdd;
  if (!is_number && !is_bin && !is_array) return 0;
  const std::size_t width = std::size_t{1} << (is_number ? first - 0xcc
                                               : is_bin  ? first - 0xc4
                                                         : first - 0xdc + 1);
  if (width > left) return 0;
  const std::uint64_t value = read_be(octets, at, width);
  at += width;
  if (!is_bin) {
    token = {is_number ? Kind::number : Kind::array, value, {}};
    return at;
  }
  if (value > octets.size() - at) return 0;
  token = {Kind::bytes, 0, octets.substr(at, value)};
  return at + value;
}

// Passes over a value, holding it to the limits. The parser keeps one small entry per open
// container, so memory is bounded by the depth.
struct SkipVisitor : msgpack::null_visitor {
  std::size_t depth = 0;
  bool over_limit = false;

  bool enter(std::size_t items, std::size_t items_max) {
    over_limit = ++depth > kDepthMax || items > items_max;
    return !over_limit;
  }
  bool leave() {
    --depth;
    return true;
  }
  bool start_array(std::uint32_t items) { return enter(items, kArrayItemsMax); }
  bool end_array() { return leave(); }
  bool start_map(std::uint32_t items) { return enter(items, kMapItemsMax); }
  bool end_map() { return leave(); }
};

// The size of an array's head, by its first octet (msgpack specification, "array format family").
std::size_t array_head_bytes(char first) {
  switch (static_cast<unsigned char>(first)) {
    case 0xdc:
      return 3;
    case 0xdd:
      return 5;
    default:
      return 1;
  }
}

}  // namespace

Unpacker::Unpacker(SharedBytes frame) : frame_(std::move(frame)) {}

bool Unpacker::next(Token& token, std::string_view expectation) {
  if (failed_) return false;
  const std::string_view octets = frame_.view();
  std::size_t after = read_common(octets, offset_, token);
  if (after != 0) {
    offset_ = after;
    return true;
  }
  after = offset_;
  TokenVisitor<Token> visitor;
  visitor.token = &token;
  const bool parsed = msgpack::parse(octets.data(), octets.size(), after, visitor);
  if (parsed) {
    offset_ = after;
    return true;
  }
  if (token.kind == Token::Kind::array) {
    offset_ += array_head_bytes(octets[offset_]);
    return true;
  }
  fail_at(offset_, expectation, token.name());
  return false;
}

std::size_t Unpacker::array(std::size_t items_max) {
  const std::size_t at = offset_;
  Token token;
  if (!next(token, "an array")) return 0;
  // An item takes at least one octet, so a longer array than what is left cannot be there.
  if (token.kind != Token::Kind::array || token.value > items_max || token.value > left()) {
    fail_at(at, count_of("a whole array of length up to", items_max), token.name());
    return 0;
  }
  return static_cast<std::size_t>(token.value);
}

void Unpacker::array_of(std::size_t arity) {
  const std::size_t at = offset_;
  Token token;
  if (!next(token, "an array")) return;
  if (token.kind != Token::Kind::array || token.value != arity) {
    fail_at(at, count_of("an array of length", arity), token.name());
  }
}

std::uint64_t Unpacker::number(std::uint64_t max) {
  const std::size_t at = offset_;
  Token token;
  if (!next(token, "an integer")) return 0;
  if (token.kind != Token::Kind::number || token.value > max) {
    fail_at(at, count_of("an integer from 0 to", max), token.name());
    return 0;
  }
  return token.value;
}

bool Unpacker::boolean() {
  const std::size_t at = offset_;
  Token token;
  if (!next(token, "a boolean")) return false;
  if (token.kind != Token::Kind::boolean) {
    fail_at(at, "a boolean", token.name());
    return false;
  }
  return token.value != 0;
}

std::string_view Unpacker::bytes_view(std::size_t size_max) {
  const std::size_t at = offset_;
  Token token;
  if (!next(token, "a bin")) return {};
  if (token.kind != Token::Kind::bytes || token.view.size() > size_max) {
    fail_at(at, count_of("a bin of size up to", size_max), token.name());
    return {};
  }
  return token.view;
}

SharedBytes Unpacker::bytes(std::size_t size_max) {
  const std::string_view view = bytes_view(size_max);
  if (view.empty()) return {};
  const bool share =
      frame_.size() <= kSmallFrameBytes || view.size() >= frame_.size() / kSharedFraction;
  if (!share) return SharedBytes::copy_of(view);
  return frame_.slice(static_cast<std::size_t>(view.data() - frame_.view().data()), view.size());
}

std::string Unpacker::text(std::size_t size_max) {
  const std::size_t at = offset_;
  Token token;
  if (!next(token, "a str")) return {};
  if (token.kind != Token::Kind::text || token.view.size() > size_max) {
    fail_at(at, count_of("a str of size up to", size_max), token.name());
    return {};
  }
  return std::string(token.view);
}

Digest Unpacker::digest() {
  const std::size_t at = offset_;
  const std::string_view view = bytes_view();
  if (failed_) return {};
  if (view.size() != Digest{}.octets.size()) {
    fail_at(at, "a bin of size 32", count_of("a bin of size", view.size()));
    return {};
  }
  return Digest::from(view);
}

void Unpacker::skip() {
  if (failed_) return;
  const std::string_view octets = frame_.view();
  std::size_t after = offset_;
  SkipVisitor visitor;
  if (msgpack::parse(octets.data(), octets.size(), after, visitor)) {
    offset_ = after;
    return;
  }
  fail_at(offset_, "a msgpack value",
          visitor.over_limit ? "one that is too long or too deep" : Token{}.name());
}

void Unpacker::end() {
  if (!failed_ && left() > 0) {
    fail_at(offset_, "the end of the frame", count_of("further octets:", left()));
  }
}

void Unpacker::fail(std::string_view expectation) {
  if (!failed_) fail_at(offset_, expectation, "something else");
}

const Error& Unpacker::error() const {
  invariant(failed_, "Unpacker::error() is asked of a reader that did not fail");
  return error_;
}

void Unpacker::rewind(std::size_t offset) {
  invariant(offset <= frame_.size(), "a reader stays within its frame");
  offset_ = offset;
  failed_ = false;
  error_ = {};
}

void Unpacker::fail_at(std::size_t offset, std::string_view expectation, std::string_view found) {
  failed_ = true;
  error_ =
      Error{ErrorCode::bad_request, count_of("octet", offset) + ": expected " +
                                        std::string(expectation) + ", found " + std::string(found)};
}

}  // namespace paxledger::wire
