// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_view.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "cli/format.hpp"
#include "cli/table.hpp"
#include "cli/view_fields.hpp"

namespace lighterd::cli {
namespace {

using base::Json;

constexpr std::size_t kMaxTags = 20;
constexpr std::size_t kInstructionColumns = 70;
constexpr const char* kIndent = "  ";

std::string platform_of(const Json& image) {
  const std::string variant = text_of(image, "Variant");
  const std::string platform = text_of(image, "Os") + "/" + text_of(image, "Architecture");
  return platform == "/" ? "" : platform + (variant.empty() ? "" : "/" + variant);
}

std::string created_of(const Json& image, base::Timestamp now) {
  const auto text = base::find_string(image, "Created");
  if (!text) return {};
  const auto time = base::parse_rfc3339(*text);
  return base::printable(*text) + (time ? " (" + format_age(*time, now) + " ago)" : "");
}

std::string tags_of(const Json& document) {
  const auto tags = base::find_string_array(document, "RepoTags");
  std::string text;
  for (std::size_t i = 0; i < std::min(tags.size(), kMaxTags); ++i)
    text += (i > 0 ? ", " : "") + base::printable(tags[i]);
  if (tags.size() > kMaxTags) text += " and " + std::to_string(tags.size() - kMaxTags) + " more";
  return text;
}

void add_digest(KeyValues& lines, const Json& document, const std::string& title, std::string_view key) {
  if (const std::string digest = text_of(document, key); digest != text_of(document, "Digest"))
    lines.add(title, digest);
}

std::string render_head(const Json& document, base::Timestamp now) {
  KeyValues lines;
  lines.add("Name", text_of(document, "Name"));
  lines.add("Tag", text_of(document, "Tag"));
  lines.add("Digest", text_of(document, "Digest"));
  lines.add("Media type", text_of(document, "MediaType"));
  lines.add("Artifact type", text_of(document, "ArtifactType"));
  lines.add("Platform", platform_of(document));
  add_digest(lines, document, "Manifest", "ManifestDigest");
  lines.add("Config", text_of(document, "ConfigDigest"));
  lines.add("Created", created_of(document, now));
  lines.add("Author", text_of(document, "Author"));
  lines.add("Docker version", text_of(document, "DockerVersion"));
  lines.add("Layers' size", size_of(document, "LayersTotalSize"));
  lines.add("Tags", tags_of(document));
  return lines.render();
}

std::string render_labels(const Json& document) {
  const Json* labels = base::find_object(document, "Labels");
  if (labels == nullptr || labels->empty()) return {};
  std::string text = "\nLabels:\n";
  for (const auto& [key, value] : labels->items())
    text += kIndent + base::printable(key) + "=" + base::printable(value.is_string() ? value.get<std::string>() : "") +
            "\n";
  return text;
}

std::string render_environment(const Json& document) {
  std::string text;
  for (const auto& line : base::find_string_array(document, "Env")) text += kIndent + base::printable(line) + "\n";
  return text.empty() ? text : "\nEnvironment:\n" + text;
}

template <typename F>
std::string render_list(const Json& document, std::string_view key, const std::string& title, Table table, F row_of) {
  const Json* entries = base::find_array(document, key);
  if (entries == nullptr) return {};
  for (const auto& entry : *entries) {
    if (entry.is_object()) table.add(row_of(entry));
  }
  return table.empty() ? std::string() : "\n" + title + ":\n" + table.render(kIndent);
}

std::string render_platforms(const Json& document) {
  Table table({{"PLATFORM"}, {"DIGEST"}, {"SIZE", Align::kRight}, {"MEDIA TYPE"}});
  return render_list(document, "Platforms", "Platforms", std::move(table), [](const Json& entry) {
    return std::vector<std::string>{text_of(entry, "Platform"), text_of(entry, "Digest"), size_of(entry, "Size"),
                                    text_of(entry, "MediaType")};
  });
}

std::string render_layers(const Json& document) {
  Table table({{"DIGEST"}, {"SIZE", Align::kRight}, {"MEDIA TYPE"}});
  return render_list(document, "Layers", "Layers", std::move(table), [](const Json& entry) {
    return std::vector<std::string>{text_of(entry, "Digest"), size_of(entry, "Size"), text_of(entry, "MediaType")};
  });
}

std::string render_history(const Json& document, base::Timestamp now) {
  Table table({{"CREATED"}, {"LAYER"}, {"CREATED BY"}, {"COMMENT"}});
  return render_list(document, "History", "History", std::move(table), [now](const Json& entry) {
    const auto time = base::parse_rfc3339(base::find_string(entry, "Created").value_or(""));
    const std::string instruction = base::find_string(entry, "CreatedBy").value_or("");
    return std::vector<std::string>{time ? format_age(*time, now) + " ago" : "",
                                    base::find_bool(entry, "EmptyLayer").value_or(false) ? "no" : "yes",
                                    fit(instruction, kInstructionColumns), text_of(entry, "Comment")};
  });
}

std::string render_referrers(const Json& document) {
  Table table({{"DIGEST"}, {"SIZE", Align::kRight}, {"ARTIFACT TYPE"}});
  return render_list(document, "Referrers", "Referrers", std::move(table), [](const Json& entry) {
    return std::vector<std::string>{text_of(entry, "digest"), size_of(entry, "size"), text_of(entry, "artifactType")};
  });
}

}  // namespace

std::string render_inspect(const Json& document, base::Timestamp now) {
  return render_head(document, now) + render_labels(document) + render_environment(document) +
         render_platforms(document) + render_layers(document) + render_history(document, now) +
         render_referrers(document);
}

}  // namespace lighterd::cli
