// Package listen holds what stands between the network and an http.Server: how
// many connections there may be, and where certificates come from. It knows
// nothing of what is served.
package listen
