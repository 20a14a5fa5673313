// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_failure.hpp"

#include "distribution/http_client.hpp"
#include "distribution/registry_endpoint.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;

RemoteError make_missing(const RemoteQuestion& question) {
  const std::string repository = question.repository.familiar();
  switch (question.what) {
    case Missing::kTag:
      return tag_not_found(repository, question.thing, question.tag_choice);
    case Missing::kImage:
      return image_not_found(repository, question.thing, {});
    case Missing::kBlob:
      return blob_not_found(repository, question.thing);
    case Missing::kRegistry:
    case Missing::kRepository:
    case Missing::kRealm:
      break;
  }
  return repository_not_found(repository);
}

[[noreturn]] void throw_refusal(const RemoteQuestion& question, const RegistryError& error) {
  if (!error.realm().empty() && (error.status() == 401 || error.status() == 403))
    throw Error(error.code(), "permission denied to access realm " + error.realm() + ": " + error.text());
  if (error.lacks_realm())
    throw RemoteError(Missing::kRealm, "the registry \"" + registry_url(question.repository) +
                                           "\" asks for a token and names no realm to get it from");
  if (error.registry_code() == "NAME_UNKNOWN") throw repository_not_found(question.repository.familiar());
  if (error.status() == 404) throw make_missing(question);
  // It may be there for others: the registry does not tell.
  if (error.insufficient_scope())
    throw RemoteError(Missing::kRepository, repository_not_found(question.repository.familiar()).text() +
                                                ", or needs a login: " + error.text());
  throw error;
}

}  // namespace

std::string registry_url(const oci::RepositoryName& repository) {
  return "https://" + registry_host(repository.domain());
}

void rethrow_for_remote(const RemoteQuestion& question) {
  try {
    throw;
  } catch (const RegistryError& error) {
    throw_refusal(question, error);
  } catch (const TransportError& error) {
    if (error.is_of_realm())
      throw RemoteError(Missing::kRealm, "the token server of the registry \"" + registry_url(question.repository) +
                                             "\" did not answer: " + error.text());
    if (error.kind() != TransportFailure::kConnect && error.kind() != TransportFailure::kResolve)
      throw Error(error.code(), error.text());
    RemoteError missing = registry_not_found(registry_url(question.repository));
    throw RemoteError(Missing::kRegistry, missing.text() + ": " + error.text());
  }
}

}  // namespace lighterd::distribution
