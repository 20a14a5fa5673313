// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "base/encoding.hpp"
#include "imagestore/archive_images.hpp"
#include "imagestore/archive_names.hpp"
#include "imagestore/docker_layer_type.hpp"
#include "oci/docker_archive.hpp"
#include "oci/manifest.hpp"
#include "oci/new_name.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

std::string in_quotes(std::string_view name) {
  return "\"" + base::printable(name, 256) + "\"";
}

class DockerImages {
 public:
  DockerImages(ArchiveMembers& members, ArchiveContent& content, const WantedPlatforms& wanted, ContentStore& store,
               const Lease& lease, ReadingLimits& limits)
      : members_(members), content_(content), wanted_(wanted), store_(store), lease_(lease), limits_(limits) {}

  void add(const oci::DockerArchiveImage& image) {
    if (publications_.size() + std::max<std::size_t>(image.repo_tags.size(), 1) > oci::kMaxArchiveImages)
      throw Error(ErrorCode::kInvalidArgument,
                  "archive has more than " + std::to_string(oci::kMaxArchiveImages) + " names");
    const auto names = read_names(image);
    limits_.check_stop();
    const auto [known, is_new] = targets_.try_emplace({image.config, image.layers}, std::nullopt);
    if (is_new) {
      publications_.push_back(read(image));
      known->second = publications_.back().target;
    } else {
      publications_.push_back({.target = *known->second});
    }
    const oci::Descriptor& target = *known->second;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i > 0) publications_.push_back({.target = target});
      publications_.back().name = names[i];
    }
  }

  std::vector<Publication> take() { return std::move(publications_); }

 private:
  static std::vector<oci::Reference> read_names(const oci::DockerArchiveImage& image) {
    std::vector<oci::Reference> names;
    std::set<std::string> seen;
    for (const std::string& tag : image.repo_tags) {
      try {
        const auto name = oci::parse_reference(tag).with_default_tag();
        if (!name.tag() || name.digest()) throw Error(ErrorCode::kInvalidArgument, "it has a digest");
        oci::check_new_name(name);
        if (seen.insert(name.to_string()).second) names.push_back(name);
      } catch (Error& error) {
        error.add_context("invalid tag " + in_quotes(tag));
        throw;
      }
    }
    return names;
  }

  // kDataLoss if the name says another digest than that of the bytes.
  ArchiveMember* find_member(const std::string& name) {
    ArchiveMember* member = members_.find(name);
    if (member == nullptr) return nullptr;
    const auto named = find_blob_digest(find_member_name(name).value_or(""));
    if (!named || *named == member->digest) return member;
    throw Error(ErrorCode::kDataLoss, "content verification failed for digest " + named->to_string());
  }

  ArchiveMember& get_member(const std::string& name, const char* what) {
    ArchiveMember* member = find_member(name);
    if (member == nullptr)
      throw Error(ErrorCode::kInvalidArgument,
                  std::string("invalid archive: ") + what + " " + in_quotes(name) + " is missing");
    return *member;
  }

  Publication read(const oci::DockerArchiveImage& image) {
    ArchiveMember& member = get_member(image.config, "config");
    const std::string config_bytes = members_.read_text(member, oci::kMaxConfigBytes, "config");
    limits_.add_document(config_bytes.size());
    const oci::ImageConfig config = oci::parse_image_config(config_bytes);
    if (!wanted_.matches(config.platform)) throw_platform_missing(name_of(image, member), wanted_);
    check_layer_count(image.layers.size(), config);
    std::vector<oci::Descriptor> layers;
    for (std::size_t i = 0; i < image.layers.size(); ++i)
      layers.push_back(read_layer(i, image.layers[i], config.diff_ids[i]));
    content_.keep(content_.describe(member, BlobKind::kPlain));
    return make_publication(descriptor_of(member, std::string(oci::media_type::kDockerConfig)), layers, config);
  }

  static std::string name_of(const oci::DockerArchiveImage& image, const ArchiveMember& config) {
    return image.repo_tags.empty() ? config.digest.to_string() : image.repo_tags.front();
  }

  static oci::Descriptor descriptor_of(const ArchiveMember& member, std::string media_type) {
    return {.media_type = std::move(media_type), .digest = member.digest, .size_bytes = member.size_bytes};
  }

  oci::Descriptor read_layer(std::size_t position, const std::string& name, const oci::DiffID& diff_id) {
    limits_.check_stop();
    ArchiveMember* member = find_member(name);
    if (member == nullptr) return find_stored_layer(name, diff_id);
    const BlobInfo info = content_.describe(*member, BlobKind::kLayer);
    check_diff_id(position, diff_id, info);
    content_.keep(info);
    const Compression compression =
        member->is_stored ? stored_compression(store_, member->digest) : member->compression;
    return descriptor_of(*member, docker_layer_type(compression));
  }

  // A layer may be left out of an archive for whom has it already.
  oci::Descriptor find_stored_layer(const std::string& name, const oci::DiffID& diff_id) {
    const auto info = store_.find_layer(diff_id, lease_);
    if (!info) throw Error(ErrorCode::kInvalidArgument, "invalid archive: layer " + in_quotes(name) + " is missing");
    return {.media_type = docker_layer_type(stored_compression(store_, info->digest)),
            .digest = info->digest,
            .size_bytes = info->size_bytes};
  }

  Publication make_publication(const oci::Descriptor& config_descriptor, const std::vector<oci::Descriptor>& layers,
                               const oci::ImageConfig& config) {
    std::string bytes = oci::make_docker_manifest(config_descriptor, layers);
    const oci::Descriptor target{.media_type = std::string(oci::media_type::kDockerManifest),
                                 .digest = oci::digest_of(base::as_bytes(bytes)),
                                 .size_bytes = static_cast<std::int64_t>(bytes.size())};
    oci::Document document = oci::parse_document(bytes, target.media_type, target.digest.to_string());
    content_.add_text(target.digest, std::move(bytes));
    Publication publication{.target = target};
    publication.manifests.push_back(
        {.descriptor = target, .document = std::move(document), .config = published_part(config)});
    return publication;
  }

  ArchiveMembers& members_;
  ArchiveContent& content_;
  const WantedPlatforms& wanted_;
  ContentStore& store_;
  const Lease& lease_;
  ReadingLimits& limits_;
  std::vector<Publication> publications_;
  // By the names of config and layers: of an image that stands there twice only the names are new.
  std::map<std::pair<std::string, std::vector<std::string>>, std::optional<oci::Descriptor>> targets_;
};

}  // namespace

std::vector<Publication> read_docker_images(ArchiveMembers& members, ArchiveContent& content,
                                            const WantedPlatforms& wanted, ContentStore& store, const Lease& lease,
                                            ReadingLimits& limits) {
  ArchiveMember* manifest = members.find("manifest.json");
  const std::string bytes = members.read_text(*manifest, oci::kMaxArchiveDocumentBytes, "manifest.json");
  DockerImages images(members, content, wanted, store, lease, limits);
  for (const auto& image : oci::parse_docker_archive(bytes)) images.add(image);
  return images.take();
}

}  // namespace lighterd::imagestore
