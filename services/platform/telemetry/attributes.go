package telemetry

import "go.opentelemetry.io/otel/attribute"

// Keys of attributes that several packages set, all opaque ids or names of places, never personal.
const (
	OrgKey          = attribute.Key("cardea.org")
	RegionKey       = attribute.Key("cardea.region")
	JurisdictionKey = attribute.Key("cardea.jurisdiction")
	HomeKey         = attribute.Key("cardea.home")
	ServiceKey      = attribute.Key("cardea.service")
	SiteKey         = attribute.Key("cardea.site")
	DoorKey         = attribute.Key("cardea.door")
	DeviceKey       = attribute.Key("cardea.device")
	GatewayKey      = attribute.Key("cardea.gateway")
	GrantKey        = attribute.Key("cardea.grant")
	EventKey        = attribute.Key("cardea.event")
	EventKindKey    = attribute.Key("cardea.event_kind")
	OutcomeKey      = attribute.Key("cardea.outcome")
	ReasonKey       = attribute.Key("cardea.reason")
	TargetKey       = attribute.Key("cardea.target")
	ProcedureKey    = attribute.Key("cardea.procedure")
)
