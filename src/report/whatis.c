/* Tells what stands at a path: folders by the files in them, files by their first bytes or their ending. */
#include "report/whatis.h"

#include "file/bytes.h"
#include "file/h5.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
  const char *ending;
  cvy_thing thing;
} endings[] = {
    {".yaml", CVY_IS_YAML},           {".yml", CVY_IS_YAML},           {".prototxt", CVY_IS_PROTOTXT},
    {".pbtxt", CVY_IS_PROTOTXT},      {".cfg", CVY_IS_PROTOTXT},       {".py", CVY_IS_PROGRAM},
    {".ipynb", CVY_IS_PROGRAM},       {".sh", CVY_IS_PROGRAM},         {".lua", CVY_IS_PROGRAM},
    {".m", CVY_IS_PROGRAM},           {".pth", CVY_IS_WEIGHTS},        {".pt", CVY_IS_WEIGHTS},
    {".onnx", CVY_IS_WEIGHTS},        {".caffemodel", CVY_IS_WEIGHTS}, {".solverstate", CVY_IS_WEIGHTS},
    {".safetensors", CVY_IS_WEIGHTS}, {".keras", CVY_IS_WEIGHTS},      {".pb", CVY_IS_WEIGHTS},
    {".weights", CVY_IS_WEIGHTS},     {".params", CVY_IS_WEIGHTS},     {".npz", CVY_IS_WEIGHTS},
    {".jpg", CVY_IS_PICTURE},         {".jpeg", CVY_IS_PICTURE},       {".png", CVY_IS_PICTURE},
    {".bmp", CVY_IS_PICTURE},         {".gif", CVY_IS_PICTURE},        {".tar", CVY_IS_ARCHIVE},
    {".tgz", CVY_IS_ARCHIVE},         {".gz", CVY_IS_ARCHIVE},         {".zip", CVY_IS_ARCHIVE},
    {".xz", CVY_IS_ARCHIVE},          {".bz2", CVY_IS_ARCHIVE},        {".csv", CVY_IS_TABLE},
    {".tsv", CVY_IS_TABLE},           {".txt", CVY_IS_TABLE},          {".lst", CVY_IS_TABLE},
    {".json", CVY_IS_JSON},           {".jsonl", CVY_IS_JSON},
};

static bool holds(cvy_pool *pool, const char *folder, const char *name) {
  return access(cvy_pool_format(pool, "%s/%s", folder, name), F_OK) == 0;
}

const char *cvy_hdf5_in(cvy_pool *pool, const char *folder) {
  DIR *dir = opendir(folder);
  const char *found = NULL;
  for (const struct dirent *entry; dir && !found && (entry = readdir(dir));) {
    const char *ending = strrchr(entry->d_name, '.');
    if (ending && (strcmp(ending, ".h5") == 0 || strcmp(ending, ".hdf5") == 0))
      found = cvy_pool_format(pool, "%s/%s", folder, entry->d_name);
  }
  if (dir) closedir(dir);
  return found;
}

static cvy_thing what_folder(cvy_pool *pool, const char *path) {
  const bool is_run = holds(pool, path, "last.h5") || holds(pool, path, "best.h5") ||
                      holds(pool, path, "metrics.jsonl");
  return is_run ? CVY_IS_RUN : cvy_hdf5_in(pool, path) ? CVY_IS_SHARDS : CVY_IS_FOLDER;
}

static cvy_thing what_hdf5(cvy_pool *pool, const char *path) {
  cvy_h5 *file;
  char *format = NULL;
  if (cvy_h5_open(&file, path)) return CVY_IS_HDF5;
  const bool told = cvy_h5_has_attr(file, "", "format") &&
                    !cvy_h5_read_attr_text(file, "", "format", &format, pool);
  cvy_h5_discard(file);
  if (told && strcmp(format, "convoy-checkpoint") == 0) return CVY_IS_CHECKPOINT;
  return told && strcmp(format, "convoy-shard") == 0 ? CVY_IS_SHARD : CVY_IS_HDF5;
}

cvy_thing cvy_what_is(cvy_pool *pool, const char *path) {
  struct stat info;
  if (stat(path, &info)) return CVY_IS_NOTHING;
  if (S_ISDIR(info.st_mode)) return what_folder(pool, path);
  if (!S_ISREG(info.st_mode)) return CVY_IS_STREAM;
  if (cvy_is_hdf5(path)) return what_hdf5(pool, path);
  const size_t length = strlen(path);
  for (int64_t i = 0; i < CVY_COUNT(endings); i++) {
    const size_t letters = strlen(endings[i].ending);
    if (length > letters && strcmp(path + length - letters, endings[i].ending) == 0) return endings[i].thing;
  }
  return CVY_IS_FILE;
}

bool cvy_is_shards(cvy_pool *pool, const char *path) {
  const cvy_thing thing = cvy_what_is(pool, path);
  const char *file = thing == CVY_IS_SHARDS ? cvy_hdf5_in(pool, path) : NULL;
  return thing == CVY_IS_SHARD || (file && cvy_what_is(pool, file) == CVY_IS_SHARD);
}
