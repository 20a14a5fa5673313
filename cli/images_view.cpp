// SPDX-License-Identifier: Apache-2.0
#include "cli/images_view.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "cli/format.hpp"
#include "cli/table.hpp"

namespace lighterd::cli {
namespace {

using base::Json;

constexpr const char* kNone = "<none>";

// "repository:tag", "repository@digest": in front of the last of these characters, and behind it.
struct Name {
  std::string repository;
  std::string version;
};

Name split(const std::string& name, char separator) {
  const std::size_t at = name.rfind(separator);
  if (at == std::string::npos) return {base::printable(name), kNone};
  return {base::printable(name.substr(0, at)), base::printable(name.substr(at + 1))};
}

struct Row {
  std::string repository = kNone;
  std::string tag = kNone;
  std::string digest = kNone;
};

std::vector<Name> split_all(const Json& image, std::string_view key, char separator) {
  std::vector<Name> names;
  for (const auto& name : base::find_string_array(image, key)) names.push_back(split(name, separator));
  return names;
}

std::vector<Row> rows_of(const Json& image) {
  const auto digests = split_all(image, "RepoDigests", '@');
  const auto digest_of = [&digests](const std::string& repository) {
    const auto found = std::find_if(digests.begin(), digests.end(),
                                    [&repository](const Name& each) { return each.repository == repository; });
    return found == digests.end() ? std::string(kNone) : found->version;
  };
  std::vector<Row> rows;
  for (const Name& name : split_all(image, "RepoTags", ':'))
    rows.push_back({name.repository, name.version, digest_of(name.repository)});
  if (!rows.empty()) return rows;
  for (const Name& name : digests) rows.push_back({name.repository, kNone, name.version});
  if (rows.empty()) rows.emplace_back();
  return rows;
}

std::string id_of(const Json& image, const ImagesOptions& options) {
  const std::string id = base::printable(base::find_string(image, "Id").value_or(""));
  return options.whole_ids ? id : short_digest(id);
}

std::string age_of(const Json& image, base::Timestamp now) {
  const auto seconds = base::find_integer(image, "Created").value_or(0);
  if (seconds <= 0) return "N/A";
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(base::Timestamp::max()).time_since_epoch();
  return format_age(base::Timestamp(std::min(std::chrono::seconds(seconds), kLast)), now) + " ago";
}

std::string render_ids(const Json& images, const ImagesOptions& options) {
  std::string text;
  for (const auto& image : images) text += id_of(image, options) + "\n";
  return text;
}

}  // namespace

std::string render_images(const Json& images, const ImagesOptions& options, base::Timestamp now) {
  if (options.quiet) return render_ids(images, options);
  std::vector<Column> columns = {{"REPOSITORY"}, {"TAG"}, {"IMAGE ID"}, {"CREATED"}, {"SIZE"}};
  if (options.with_digests) columns.insert(columns.begin() + 2, {"DIGEST"});
  Table table(std::move(columns));
  for (const auto& image : images) {
    const std::string size = format_size(base::find_integer(image, "Size").value_or(0));
    for (const Row& row : rows_of(image)) {
      std::vector<std::string> cells = {row.repository, row.tag, id_of(image, options), age_of(image, now), size};
      if (options.with_digests) cells.insert(cells.begin() + 2, row.digest);
      table.add(std::move(cells));
    }
  }
  return table.render();
}

}  // namespace lighterd::cli
