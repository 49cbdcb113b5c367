# The libraries that Convoy is built from. What is missing is told all at once, by the names of Debian's packages, before
# anything is built (launch/packages.sh installs them).
set(missing_packages "")
set(convoy_requires "ompi-c") # for src/convoy.pc.in

find_package(MPI QUIET COMPONENTS C)
if(NOT MPI_C_FOUND)
  list(APPEND missing_packages "Open MPI: libopenmpi-dev openmpi-bin")
endif()
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  message(FATAL_ERROR "pkg-config, which finds the other libraries, is not there (Debian: apt-get install pkg-config)")
endif()

# Finds a library by its pkg-config file, as the target PkgConfig::NAME.
function(find_library_package name module title debian)
  pkg_check_modules(${name} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT TARGET PkgConfig::${name})
    set(missing_packages ${missing_packages} "${title}: ${debian}" PARENT_SCOPE)
  endif()
  set(convoy_requires "${convoy_requires} ${module}" PARENT_SCOPE)
endfunction()

find_library_package(openblas openblas "OpenBLAS" libopenblas-pthread-dev)
find_library_package(hdf5 hdf5-serial "HDF5 (serial)" libhdf5-dev)
find_library_package(jpeg libjpeg "libjpeg-turbo" libjpeg62-turbo-dev)
find_library_package(spng spng "libspng" libspng-dev)
find_library_package(yaml yaml-0.1 "libyaml" libyaml-dev)
find_library_package(xxhash libxxhash "xxHash" libxxhash-dev)
find_library_package(zlib zlib "zlib" zlib1g-dev)
find_library_package(isal libisal "ISA-L" libisal-dev)
find_library_package(archive libarchive "libarchive" libarchive-dev)
find_library_package(jansson jansson "Jansson" libjansson-dev)
find_library_package(lmdb lmdb "LMDB" liblmdb-dev)

# LevelDB's own configuration for CMake asks for the C++ compiler, so it is found as a plain library.
find_library(LEVELDB_LIBRARY leveldb)
mark_as_advanced(LEVELDB_LIBRARY)
if(NOT LEVELDB_LIBRARY)
  list(APPEND missing_packages "LevelDB: libleveldb-dev")
endif()

# Random123 is headers only, and has no pkg-config file.
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h)
mark_as_advanced(RANDOM123_INCLUDE_DIR)
if(NOT RANDOM123_INCLUDE_DIR)
  list(APPEND missing_packages "Random123: librandom123-dev")
endif()

if(missing_packages)
  set(debian_names "")
  foreach(package IN LISTS missing_packages)
    string(REGEX REPLACE "^.*: " "" name "${package}")
    string(APPEND debian_names " ${name}")
  endforeach()
  list(JOIN missing_packages "\n  " lines)
  message(FATAL_ERROR "These libraries were not found (the package of Debian follows each):\n  ${lines}\n"
          "On Debian:\n  apt-get install --no-install-recommends${debian_names}\n"
          "or 'sh launch/packages.sh', which installs all that is needed.")
endif()
