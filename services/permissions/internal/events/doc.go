// Package events puts what a commit of permissions changed into the forms in which others receive it: the events of
// cardea/permissions/v1, the access state at the gateways' doors, and calls to permissions in other jurisdictions.
//
// permissions consumes no events of others. All functions are pure and safe for concurrent use.
package events
