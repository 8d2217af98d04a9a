#include "archive/clamp_times.h"
#include "archive/copy_tree.h"
#include "archive/find_paths.h"
#include "archive/remove_matching.h"
#include "archive/tree_digest.h"
#include "node/init.h"
#include "node/own_thread.h"
#include "node/root_argument.h"

namespace gantry {
namespace {

Napi::Value find_paths(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [spec = root_of(info[0]), patterns = texts(info[1]), root = RootHolder()]() mutable {
      hold(root, spec);
      std::vector<std::vector<std::string>> found;
      for (const std::string& pattern : patterns) found.push_back(archive::find_paths(*root, pattern));
      return found;
    };
    return run_on_own_thread(info.Env(), std::move(work),
                             [](Napi::Env env, const std::vector<std::vector<std::string>>& found) {
                               auto result = Napi::Array::New(env, found.size());
                               for (uint32_t i = 0; i < found.size(); ++i) {
                                 auto paths = Napi::Array::New(env, found[i].size());
                                 for (uint32_t j = 0; j < found[i].size(); ++j) paths.Set(j, found[i][j]);
                                 result.Set(i, paths);
                               }
                               return result;
                             });
  });
}

/// What is hashed without a thread.
constexpr archive::TreeDigestLimits at_once = {32, 128 << 10};

Napi::Value tree_digest(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    archive::TreeDigestOptions options;
    const auto object = info[2].As<Napi::Object>();
    options.exclude = texts(object.Get("exclude"));
    if (object.Get("owner").IsObject()) options.owner = owner_of(object.Get("owner"));
    const archive::RootSpec spec = root_of(info[0]);
    const std::vector<std::string> paths = texts(info[1]);
    const auto convert = [](Napi::Env env, const std::string& digest) { return Napi::String::New(env, digest); };
    if (spec.kind == archive::RootSpec::Kind::directory) {
      const auto few = [&] { return archive::tree_digest_within(archive::Root(spec), paths, options, at_once); };
      if (const auto promise = run_at_once(info.Env(), few, convert)) return *promise;
    }
    auto work = [spec, paths, options, root = RootHolder()]() mutable {
      return archive::tree_digest(hold(root, spec), paths, options);
    };
    return run_on_own_thread(info.Env(), std::move(work), convert);
  });
}

std::vector<archive::CopyItem> items_of(const Napi::Value& value) {
  std::vector<archive::CopyItem> items;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto item = array.Get(i).As<Napi::Object>();
    items.push_back({text_of(item, "from"), text_of(item, "to")});
  }
  return items;
}

archive::CopyOptions copy_options_of(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  archive::CopyOptions options;
  options.exclude = texts(object.Get("exclude"));
  if (object.Get("owner").IsObject()) options.owner = owner_of(object.Get("owner"));
  options.default_owner = owner_of(object.Get("defaultOwner"));
  options.mode = text_of(object, "mode");
  options.root = options.default_owner.uid;
  options.unpack_archives = flag_of(object, "unpackArchives");
  if (object.Get("archiveOwner").IsObject()) options.archive_owner = owner_of(object.Get("archiveOwner"));
  options.apply_whiteouts = flag_of(object, "applyWhiteouts");
  options.uid_map = id_map_of(object, "uid");
  options.gid_map = id_map_of(object, "gid");
  options.max_bytes = size_of(object, "maxBytes");
  options.max_entries = size_of(object, "maxEntries");
  return options;
}

Napi::Value copy_trees(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [from = root_of(info[0]), to = root_of(info[1]), items = items_of(info[2]),
                 options = copy_options_of(info[3]), source = RootHolder(), destination = RootHolder()]() mutable {
      if (to.kind != archive::RootSpec::Kind::overlay) archive::unshare_file_system_context();
      hold(source, from);
      hold(destination, to);
      return archive::copy_trees(*source, *destination, items, options);
    };
    return run_on_own_thread(info.Env(), std::move(work), [](Napi::Env env, const archive::CopyResult& copied) {
      auto result = Napi::Object::New(env);
      result.Set("bytes", Napi::Number::New(env, static_cast<double>(copied.bytes)));
      result.Set("entries", Napi::Number::New(env, static_cast<double>(copied.entries)));
      return result;
    });
  });
}

Napi::Value make_directory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [spec = root_of(info[0]), path = info[1].As<Napi::String>().Utf8Value(), owner = owner_of(info[2]),
                 root = RootHolder()]() mutable {
      if (spec.kind != archive::RootSpec::Kind::overlay) archive::unshare_file_system_context();
      hold(root, spec);
      archive::make_directories(root->fd(), path, owner);
      return Done{};
    };
    return run_on_own_thread(info.Env(), std::move(work), undefined);
  });
}

Napi::Value clamp_times(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [directory = info[0].As<Napi::String>().Utf8Value(), latest = info[1].As<Napi::Number>().Int64Value()] {
      archive::clamp_times(directory, latest);
      return Done{};
    };
    return run_on_own_thread(info.Env(), std::move(work), undefined);
  });
}

Napi::Value remove_matching(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [directory = info[0].As<Napi::String>().Utf8Value(), patterns = texts(info[1])] {
      archive::remove_matching(directory, patterns);
      return Done{};
    };
    return run_on_own_thread(info.Env(), std::move(work), undefined);
  });
}

}  // namespace

void init_build(Napi::Env env, Napi::Object exports) {
  exports.Set("findPaths", Napi::Function::New(env, find_paths, "findPaths"));
  exports.Set("treeDigest", Napi::Function::New(env, tree_digest, "treeDigest"));
  exports.Set("copyTrees", Napi::Function::New(env, copy_trees, "copyTrees"));
  exports.Set("makeDirectory", Napi::Function::New(env, make_directory, "makeDirectory"));
  exports.Set("removeMatching", Napi::Function::New(env, remove_matching, "removeMatching"));
  exports.Set("clampTimes", Napi::Function::New(env, clamp_times, "clampTimes"));
}

}  // namespace gantry
