// SPDX-License-Identifier: Apache-2.0
// Which images the list shows, and which of their names (engine-api.md section 6.1). `before` and `since` compare what
// the images' configs say, `until` when they came here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/engine/filters.hpp"
#include "imagestore/image_store.hpp"

namespace lighterd::api {

class ImageFilter {
 public:
  // Looks the images of before and since up: kNotFound. kInvalidArgument for unknown keys and bad values.
  ImageFilter(const Filters& filters, imagestore::ImageStore& images, base::Timestamp now);

  // Whether the image is shown; takes the names away that are not.
  bool accepts(imagestore::ImageRecord& image) const;

 private:
  struct Label {
    std::string name;
    std::optional<std::string> value;
    bool wanted = true;
  };
  void add_labels(const Filters& filters, const std::string& key, bool wanted);
  bool limit_names(imagestore::ImageRecord& image) const;
  bool matches_reference(const oci::Reference& name) const;
  bool matches_labels(const imagestore::ImageRecord& image) const;
  bool matches_times(const imagestore::ImageRecord& image) const;

  std::vector<std::string> patterns_;
  std::optional<bool> dangling_;
  std::vector<Label> labels_;
  std::vector<base::Timestamp> created_before_;
  std::vector<base::Timestamp> created_after_;
  std::vector<base::Timestamp> added_before_;  // to the store
};

}  // namespace lighterd::api
