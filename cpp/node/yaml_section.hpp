// Typed, positioned reading of a YAML document.
//
// A YamlDocument remembers the first thing that is wrong; from then on every read leaves its
// target alone, so that the code that reads a file needs no error handling between its lines.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace paxledger::node {

class YamlDocument {
 public:
  // `name` is what messages call the document: the file's path as the user gave it.
  explicit YamlDocument(std::string name) : name_(std::move(name)) {}

  // Keeps the first error only.
  void fail(const YAML::Mark& mark, const std::string& text);
  void fail_at_line_one(const std::string& text);
  void warn(const YAML::Mark& mark, const std::string& text);

  [[nodiscard]] bool failed() const { return error_.has_value(); }
  // Precondition: failed().
  [[nodiscard]] const Error& error() const { return *error_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  [[nodiscard]] std::string place(const YAML::Mark& mark) const;  // "file:line:column"

 private:
  std::string name_;
  std::optional<Error> error_;
  std::vector<std::string> warnings_;
};

// What a node is, for messages: `the list`, `"abc"`, …
[[nodiscard]] std::string found(const YAML::Node& node);

// The known key that `key` was probably meant to be; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view key, const std::vector<std::string_view>& known);

// A mapping with a fixed set of keys. The constructor refuses anything else: another type, an
// unknown key (with a suggestion), a key that stands twice. A null node is an empty mapping.
// The document outlives its sections.
class YamlSection {
 public:
  YamlSection(YamlDocument& document, const YAML::Node& node, std::string name,
              std::initializer_list<std::string_view> known);

  // The value under `key`, if it is there and not null.
  [[nodiscard]] std::optional<YAML::Node> at(std::string_view key) const;
  // The same, and its absence is an error.
  [[nodiscard]] std::optional<YAML::Node> required(std::string_view key,
                                                   std::string_view expected) const;

  // Each sets `target` if the key is there and its value is within the bounds (both inclusive).
  void read(std::string_view key, std::string& target) const;
  void read(std::string_view key, bool& target) const;
  void read_count(std::string_view key, std::size_t& target, std::uint64_t min,
                  std::uint64_t max) const;
  void read_size(std::string_view key, std::size_t& target, std::uint64_t min,
                 std::uint64_t max) const;
  void read_duration(std::string_view key, Duration& target, Duration min, Duration max) const;

  [[nodiscard]] const YAML::Mark& mark() const { return mark_; }
  // Where the value of `key` stands; where the section starts if it is not there.
  [[nodiscard]] YAML::Mark mark_of(std::string_view key) const;

 private:
  [[nodiscard]] std::optional<std::string> scalar(std::string_view key,
                                                  std::string_view expected) const;

  YamlDocument* document_;
  std::string name_;
  YAML::Mark mark_;
  std::vector<std::pair<std::string, YAML::Node>> entries_;
};

// A whole decimal number; nothing for anything else.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text);

}  // namespace paxledger::node
