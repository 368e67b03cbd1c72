// Package e2e tests the whole: every service as the process that is deployed, on real databases, brokers and TLS, with
// simulated locks on the true protocol; and the rules that no single module can hold.
package e2e
