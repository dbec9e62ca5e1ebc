#include "node/yaml_section.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/bytes.hpp"
#include "node/quantities.hpp"

namespace paxledger::node {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string list_of(const std::vector<std::string_view>& known) {
  std::string text;
  for (const std::string_view key : known) {
    if (!text.empty()) text += ", ";
    text += key;
  }
  return text;
}

}  // namespace

std::string YamlDocument::place(const YAML::Mark& mark) const {
  if (mark.is_null()) return name_ + ":1:1";
  return name_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

void YamlDocument::fail(const YAML::Mark& mark, const std::string& text) {
  if (!error_) error_ = Error{ErrorCode::configuration, place(mark) + ": " + text};
}

void YamlDocument::fail_at_line_one(const std::string& text) {
  fail(YAML::Mark::null_mark(), text);
}

void YamlDocument::warn(const YAML::Mark& mark, const std::string& text) {
  warnings_.push_back(place(mark) + ": " + text);
}

std::string found(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return "\"" + printable(node.Scalar()) + "\"";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
  return "nothing";
}

std::string nearest(std::string_view key, const std::vector<std::string_view>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, key.size() / 2) + 1;
  for (const std::string_view each : known) {
    const std::size_t distance = edit_distance(key, each);
    if (distance < best_distance) {
      best_distance = distance;
      best = each;
    }
  }
  return best;
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

YamlSection::YamlSection(YamlDocument& document, const YAML::Node& node, std::string name,
                         std::initializer_list<std::string_view> known)
    : document_(&document), name_(std::move(name)), mark_(node.Mark()) {
  if (!node.IsDefined() || node.IsNull()) return;
  const std::vector<std::string_view> keys(known);
  if (!node.IsMap()) {
    document.fail(mark_, "found " + found(node) + " for " + name_ +
                             ", expected a mapping with the keys " + list_of(keys));
    return;
  }
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      document.fail(entry.first.Mark(), "found " + found(entry.first) + " as a key of " + name_ +
                                            ", expected one of " + list_of(keys));
      return;
    }
    const std::string& key = entry.first.Scalar();
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      const std::string meant = nearest(key, keys);
      document.fail(
          entry.first.Mark(),
          "found the unknown key \"" + printable(key) + "\" in " + name_ + ", expected " +
              (meant.empty() ? "one of " + list_of(keys)
                             : "perhaps \"" + meant + "\" (known: " + list_of(keys) + ")"));
      return;
    }
    const bool repeated = std::any_of(entries_.begin(), entries_.end(),
                                      [&](const auto& earlier) { return earlier.first == key; });
    if (repeated) {
      document.fail(entry.first.Mark(), "found the key \"" + key + "\" of " + name_ +
                                            " a second time, expected it once");
      return;
    }
    entries_.emplace_back(key, entry.second);
  }
}

std::optional<YAML::Node> YamlSection::at(std::string_view key) const {
  for (const auto& [name, node] : entries_) {
    if (name == key && !node.IsNull()) return node;
  }
  return std::nullopt;
}

std::optional<YAML::Node> YamlSection::required(std::string_view key,
                                                std::string_view expected) const {
  auto node = at(key);
  if (!node) {
    document_->fail(mark_of(key), "found no \"" + std::string(key) + "\" in " + name_ +
                                      ", expected " + std::string(expected));
  }
  return node;
}

YAML::Mark YamlSection::mark_of(std::string_view key) const {
  for (const auto& [name, node] : entries_) {
    if (name == key) return node.Mark();
  }
  return mark_;
}

std::optional<std::string> YamlSection::scalar(std::string_view key,
                                               std::string_view expected) const {
  const auto node = at(key);
  if (!node || document_->failed()) return std::nullopt;
  if (node->IsScalar()) return node->Scalar();
  document_->fail(node->Mark(), "found " + found(*node) + " for " + name_ + "." + std::string(key) +
                                    ", expected " + std::string(expected));
  return std::nullopt;
}

void YamlSection::read(std::string_view key, std::string& target) const {
  if (auto text = scalar(key, "a text")) target = std::move(*text);
}

void YamlSection::read(std::string_view key, bool& target) const {
  const auto text = scalar(key, "true or false");
  if (!text) return;
  if (*text == "true" || *text == "false") {
    target = *text == "true";
  } else {
    document_->fail(mark_of(key), "found \"" + printable(*text) + "\" for " + name_ + "." +
                                      std::string(key) + ", expected true or false");
  }
}

void YamlSection::read_count(std::string_view key, std::size_t& target, std::uint64_t min,
                             std::uint64_t max) const {
  const std::string expected =
      "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  const auto text = scalar(key, expected);
  if (!text) return;
  const auto count = parse_count(*text);
  if (!count || *count < min || *count > max) {
    document_->fail(mark_of(key), "found \"" + printable(*text) + "\" for " + name_ + "." +
                                      std::string(key) + ", expected " + expected);
    return;
  }
  target = static_cast<std::size_t>(*count);
}

void YamlSection::read_size(std::string_view key, std::size_t& target, std::uint64_t min,
                            std::uint64_t max) const {
  const std::string expected = "a size from " + format_size(min) + " to " + format_size(max);
  const auto text = scalar(key, expected);
  if (!text) return;
  const auto size = parse_size(*text);
  if (!size.ok() || *size < min || *size > max) {
    document_->fail(mark_of(key), "found \"" + printable(*text) + "\" for " + name_ + "." +
                                      std::string(key) + ", expected " + expected);
    return;
  }
  target = static_cast<std::size_t>(*size);
}

void YamlSection::read_duration(std::string_view key, Duration& target, Duration min,
                                Duration max) const {
  const std::string expected =
      "a duration from " + format_duration(min) + " to " + format_duration(max);
  const auto text = scalar(key, expected);
  if (!text) return;
  const auto duration = parse_duration(*text);
  if (!duration.ok() || *duration < min || *duration > max) {
    document_->fail(mark_of(key), "found \"" + printable(*text) + "\" for " + name_ + "." +
                                      std::string(key) + ", expected " + expected);
    return;
  }
  target = *duration;
}

}  // namespace paxledger::node
