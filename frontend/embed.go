// Package frontend holds the built browser app, so that the server is one
// file.
//
// The app is built by `npm run build` into dist, which is embedded here. A
// checkout in which that has not been done yet holds only dist/.gitkeep and
// still compiles; Dist then has no index.html, and whoever serves it says so.
// The package imports nothing of Halley and is safe for concurrent use.
package frontend

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist returns the built app: index.html at its root, and under assets/ the
// files whose names carry a hash of their content and so never change. It has
// no index.html where the app has not been built.
func Dist() fs.FS {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path, known at compile time
	}
	return built
}
